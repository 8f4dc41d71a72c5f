# SPDX-License-Identifier: GPL-2.0-or-later
"""
Archives as the kernel unpacks them at boot: cpio in the "new ASCII" form.

    070701 00000001 000081ED 00000000 ...      a head of 110 bytes, the name, then the content

The same members give the same bytes: everything is root's and of second 0, inodes are counted, and folders
that a path needs are made before it. A folder's name ends with `/`: the kernel then goes through a link of
that name, as `lib -> usr/lib` of a distribution's initrd, where it would remove it for a folder `lib`.
Source: Documentation/driver-api/early-userspace/buffer-format.rst and init/initramfs.c, clean_path().
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from keepsane.errors import InputError

MAX_FILE_BYTES = (1 << 32) - 1
"""A size has 8 hexadecimal digits."""

_END = "TRAILER!!!"
_PIECE_BYTES = 1 << 20
_ALIGNED, _BLOCK_BYTES = 4, 512


@dataclass(frozen=True, slots=True)
class Member:
    """
    A file of an archive: its path without a leading `/`, its mode with the type, its content.

    A Path is read when it is written; the content of a symbolic link is where it leads. `device` is the
    number of a device node.
    """

    path: str
    mode: int
    content: bytes | Path = b""
    device: tuple[int, int] = (0, 0)


def file(path: str, content: bytes | Path, *, runs: bool = False) -> Member:
    """Give a file, one to run or one to read."""
    return Member(path, stat.S_IFREG | (0o755 if runs else 0o644), content)


def link(path: str, leads_to: str) -> Member:
    """Give a symbolic link."""
    return Member(path, stat.S_IFLNK | 0o777, leads_to.encode())


def folder(path: str) -> Member:
    """Give a folder."""
    return Member(path, stat.S_IFDIR | 0o755)


def console(path: str = "dev/console") -> Member:
    """Give the node that the kernel opens for the first process."""
    return Member(path, stat.S_IFCHR | 0o600, device=(5, 1))


def write_cpio(out: BinaryIO, members: Iterable[Member]) -> None:
    """Write an archive. Raises OSError, and InputError where a file is too large or changes meanwhile."""
    size = 0
    for inode, member in enumerate(_with_folders(members), 1):
        size += _write(out, inode, member)
    size += _write(out, 0, Member(_END, 0))
    out.write(bytes(-size % _BLOCK_BYTES))


def _with_folders(members: Iterable[Member]) -> Iterator[Member]:
    made: set[str] = set()
    for member in members:
        for parent in reversed(PurePosixPath(member.path).parents[:-1]):
            if str(parent) not in made:
                made.add(str(parent))
                yield folder(str(parent))
        if not stat.S_ISDIR(member.mode):
            yield member
        elif member.path not in made:
            made.add(member.path)
            yield member


def _write(out: BinaryIO, inode: int, member: Member) -> int:
    size = len(member.content) if isinstance(member.content, bytes) else member.content.stat().st_size
    if size > MAX_FILE_BYTES:
        raise InputError(
            f"{member.content!s} has {size} bytes; an archive for a kernel takes {MAX_FILE_BYTES}"
        )
    head = _head(inode, member, size)
    out.write(head)
    if isinstance(member.content, bytes):
        out.write(member.content)
    else:
        _copy(out, member.content, size)
    padding = -size % _ALIGNED
    out.write(bytes(padding))
    return len(head) + size + padding


def _head(inode: int, member: Member, size: int) -> bytes:
    slash = "/" if stat.S_ISDIR(member.mode) else ""
    name = f"{member.path}{slash}".encode("utf-8", "surrogateescape") + b"\0"
    links = 2 if stat.S_ISDIR(member.mode) else 1
    fields = (inode, member.mode, 0, 0, links, 0, size, 0, 0, *member.device, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return head + bytes(-len(head) % _ALIGNED)


def _copy(out: BinaryIO, path: Path, size: int) -> None:
    left = size
    with path.open("rb") as source:
        while left and (piece := source.read(min(left, _PIECE_BYTES))):
            out.write(piece)
            left -= len(piece)
    if left:
        raise InputError(f"{path} became shorter while it was read; try again")
