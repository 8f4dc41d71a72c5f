# SPDX-License-Identifier: GPL-2.0-or-later
"""
The files in a tar, packed or not, or in a folder, without trusting either.

Nothing is unpacked to disk, no link is followed, names only serve as keys, and everything has a limit.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from keepsane.errors import InputError
from keepsane.memory.capture.plain_file import open_plain
from keepsane.memory.capture.tar import TarError, tar_entries
from keepsane.memory.snapshot import Reason
from keepsane.unpack import unpacker
from keepsane.words import size_words

MAX_FILE_BYTES = 4 << 20
"""One file of /proc: zoneinfo of 8 nodes and 512 CPUs has about 2 MB."""
MAX_KEPT_BYTES = 128 << 20
"""All files that are kept; a capture of an hour has about 30 MB."""
MAX_ARCHIVE_BYTES = 4 << 30
"""All bytes that are unpacked: a sosreport holds logs too."""
MAX_MEMBERS = 300_000
MAX_DEPTH = 64
"""Folders in folders: control groups lie in each other, a few deep."""
MEMBER_BYTES = 500
"""What is counted for a file beside its text: names are kept too, and a bomb may have nothing else."""

Wanted = Callable[[str], bool]


class Member(NamedTuple):
    """A file's path in the archive, without a leading "./", and its text, or the reason why there is none."""

    path: str
    text: str | None
    reason: Reason | None = None


def read_members(path: Path, wanted: Wanted) -> Iterator[Member]:
    """
    Yield the regular files under `path`, a folder or a tar (plain, gzip, xz, zstd), that are `wanted`.

    A tar that ends early or is damaged gives what it still holds, then raises InputError; so does one that
    exceeds a limit. Bytes that are no UTF-8 become U+FFFD. What is wanted in a folder and no regular file is
    "unreadable".
    """
    kept = 0
    members = _in_folder(path, wanted) if path.is_dir() else _in_tar(path, wanted)
    for member in members:
        kept += MEMBER_BYTES + len(member.path) + sys.getsizeof(member.text or "")
        if kept > MAX_KEPT_BYTES:
            raise InputError(
                f"{path} holds more than {size_words(MAX_KEPT_BYTES >> 10)} of samples; cut it in parts"
            )
        yield member


def _in_folder(root: Path, wanted: Wanted) -> Iterator[Member]:
    seen = 0
    try:
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise InputError(f"cannot read {root}: {error.strerror or error}") from error
    with closing(_walk(folder, "", MAX_DEPTH)) as found:
        for at, name, inside in found:
            seen += 1
            if seen > MAX_MEMBERS:
                raise InputError(f"{root} holds more than {MAX_MEMBERS} files; name the folder of a capture")
            if wanted(inside):
                yield _in_it(at, name, inside)


def _walk(folder: int, inside: str, depth: int) -> Generator[tuple[int, str, str], None, None]:
    """
    Give the files below an open folder, with the folder they lie in, and close it.

    It enters no link, whatever takes a folder's place meanwhile.
    """
    try:
        with os.scandir(folder) as entries:
            found = sorted(islice(entries, MAX_MEMBERS + 1), key=lambda entry: entry.name)
        folders = [entry.name for entry in found if entry.is_dir(follow_symlinks=False)]
        for entry in found:
            if not entry.is_dir(follow_symlinks=False):
                yield folder, entry.name, inside + entry.name
        for name in folders if depth else ():
            try:
                below = os.open(
                    name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder
                )
            except OSError:
                continue
            yield from _walk(below, f"{inside}{name}/", depth - 1)
    finally:
        os.close(folder)


def _in_it(folder: int, name: str, inside: str) -> Member:
    """A regular file, read up to the limit; a link, a pipe and what else is no file are not even opened."""
    try:
        if not stat.S_ISREG(os.lstat(name, dir_fd=folder).st_mode):
            return Member(inside, None, "unreadable")
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        with os.fdopen(file, "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return Member(inside, None, "unreadable")
            return _member(inside, stream.read(MAX_FILE_BYTES + 1))
    except PermissionError:
        return Member(inside, None, "not permitted")
    except OSError:  # what looks like a file may be the kernel's, which has errors of its own
        return Member(inside, None, "unreadable")


def _member(path: str, data: bytes) -> Member:
    if len(data) > MAX_FILE_BYTES:
        return Member(path, None, "too large")
    return Member(path, data.decode("utf-8", "replace"))


class _Counted(io.RawIOBase):
    """A stream with a limit on what may be read: what is packed may unpack to any size."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._left = stream, MAX_ARCHIVE_BYTES

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise TarError(f"it holds more than {size_words(MAX_ARCHIVE_BYTES >> 10)}")
        return data


def _in_tar(path: Path, wanted: Wanted) -> Iterator[Member]:
    with open_plain(path) as raw:
        try:
            unpack = unpacker(raw.peek(64)[:64])
            stream = _Counted(unpack(cast(BinaryIO, raw)) if unpack else cast(BinaryIO, raw))
            yield from _members(cast(BinaryIO, stream), wanted)
        except MemoryError as error:
            raise InputError(f"{path} asks for more memory than there is, to be unpacked") from error
        except (OSError, EOFError, ValueError, OverflowError) as error:
            raise InputError(f"cannot read {path} as a capture: {error}") from error
        except (
            Exception
        ) as error:  # lzma.LZMAError, zlib.error and zstandard.ZstdError, without importing them
            if type(error).__name__ not in {"LZMAError", "ZstdError", "error"}:
                raise
            raise InputError(f"{path} is damaged: {error}") from error


def _members(stream: BinaryIO, wanted: Wanted) -> Iterator[Member]:
    for seen, entry in enumerate(tar_entries(stream)):
        if seen >= MAX_MEMBERS:
            raise TarError(f"it has more than {MAX_MEMBERS} members")
        name = entry.name.removeprefix("./")
        if not entry.is_file or not wanted(name):
            continue
        if entry.size_bytes > MAX_FILE_BYTES:
            yield Member(name, None, "too large")
        else:
            yield _member(name, entry.read())
