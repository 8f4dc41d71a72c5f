# SPDX-License-Identifier: GPL-2.0-or-later
"""
The files in a tar, packed or not, or in a folder, without trusting either.

Nothing is unpacked to disk, no link is followed, names only serve as keys, and everything has a limit.
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from keepsane.errors import InputError
from keepsane.kernel.input import UNPACKERS
from keepsane.memory.snapshot import Reason

MAX_FILE_BYTES = 4 << 20
"""One file of /proc: zoneinfo of 8 nodes and 512 CPUs has about 2 MB."""
MAX_KEPT_BYTES = 128 << 20
"""All files that are kept; a capture of an hour has about 30 MB."""
MAX_ARCHIVE_BYTES = 4 << 30
"""All bytes that are unpacked: a sosreport holds logs too."""
MAX_MEMBERS = 300_000
MAX_NAME = 1024

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
    exceeds a limit. Bytes that are no UTF-8 become U+FFFD.
    """
    kept = 0
    members = _in_folder(path, wanted) if path.is_dir() else _in_tar(path, wanted)
    for member in members:
        kept += len(member.text or "")
        if kept > MAX_KEPT_BYTES:
            raise InputError(f"{path} holds more than {MAX_KEPT_BYTES >> 20} MB of samples; cut it in parts")
        yield member


def _in_folder(root: Path, wanted: Wanted) -> Iterator[Member]:
    seen = 0
    for folder, folders, names in os.walk(root):  # does not enter links
        folders.sort()
        for name in sorted(names):
            seen += 1
            if seen > MAX_MEMBERS:
                raise InputError(f"{root} holds more than {MAX_MEMBERS} files; name the folder of a capture")
            path = Path(folder, name)
            inside = path.relative_to(root).as_posix()
            if wanted(inside) and (member := _regular(path, inside)) is not None:
                yield member


def _regular(path: Path, inside: str) -> Member | None:
    """A regular file, read up to the limit; None for a link, a pipe and what else is no file."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        return Member(inside, None, "not permitted")
    except OSError:
        return None
    with os.fdopen(file, "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            return None
        try:
            data = stream.read(MAX_FILE_BYTES + 1)
        except OSError:  # what looks like a file may be the kernel's, which has errors of its own
            return Member(inside, None, "unreadable")
        return _member(inside, data)


def _member(path: str, data: bytes) -> Member:
    if len(data) > MAX_FILE_BYTES:
        return Member(path, None, "too large")
    return Member(path, data.decode("utf-8", "replace"))


class _Forward(io.RawIOBase):
    """A stream that tarfile may only read on, in small pieces, up to a limit: headers may claim any size."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._at = stream, 0
        self.ran_out = False

    def tell(self) -> int:
        return self._at

    def seek(self, to: int, whence: int = 0, /) -> int:
        if whence != 0 or to < self._at:
            raise tarfile.ReadError("it does not go on where it should")
        while self._at < to and self.read(min(to - self._at, 1 << 16)):
            pass
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0 or size > MAX_FILE_BYTES:
            raise tarfile.ReadError(f"a header claims {size} bytes")
        data = self._stream.read(size)
        self._at += len(data)
        self.ran_out = self.ran_out or len(data) < size
        if self._at > MAX_ARCHIVE_BYTES:
            raise tarfile.ReadError(f"it holds more than {MAX_ARCHIVE_BYTES >> 30} GB")
        return data


def _in_tar(path: Path, wanted: Wanted) -> Iterator[Member]:
    try:
        with path.open("rb") as raw:
            head = raw.peek(6)[:6]
            unpack = next((unpack for magic, unpack in UNPACKERS.items() if head.startswith(magic)), None)
            stream = _Forward(unpack(raw) if unpack else raw)
            with tarfile.TarFile(fileobj=cast(BinaryIO, stream), mode="r", errorlevel=0) as tar:
                yield from _members(tar, wanted)
            if stream.ran_out:  # two blocks of zeros end a tar
                raise tarfile.ReadError("its end is missing")
    except (OSError, EOFError, ValueError, OverflowError, RecursionError, tarfile.TarError) as error:
        raise InputError(f"cannot read {path} as a capture: {error}") from error
    except Exception as error:  # lzma.LZMAError, zlib.error and zstandard.ZstdError, without importing them
        if type(error).__name__ not in {"LZMAError", "ZstdError", "error"}:
            raise
        raise InputError(f"{path} is damaged: {error}") from error


def _members(tar: tarfile.TarFile, wanted: Wanted) -> Iterator[Member]:
    seen = 0
    while (info := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # tarfile keeps every header it met
        tar.pax_headers = {}  # and every name that a global header sets
        seen += 1
        if seen > MAX_MEMBERS:
            raise tarfile.ReadError(f"it has more than {MAX_MEMBERS} members")
        name = info.name[:MAX_NAME].removeprefix("./")
        if not info.isreg() or info.issparse() or not wanted(name):
            continue
        if info.size > MAX_FILE_BYTES:
            yield Member(name, None, "too large")
        elif (file := tar.extractfile(info)) is not None:
            data = file.read()
            if len(data) < info.size:
                raise tarfile.ReadError(f"it ends inside {name[:80]!r}")
            yield _member(name, data)
