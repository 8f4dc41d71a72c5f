# SPDX-License-Identifier: GPL-2.0-or-later
"""Archives that `cpio` wrote, read one file after the other."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from keepsane.errors import InputError

_MAGIC, _HEAD_BYTES = b"070701", 110
_MODE_AT, _SIZE_AT, _NAME_SIZE_AT = 14, 54, 94
_MAX_NAME_BYTES = 4096
_END = b"TRAILER!!!"


class FileHead(NamedTuple):
    """A file of an archive; its `size_bytes` are what is read next."""

    name: str
    size_bytes: int


def read_members(archive: BinaryIO) -> Iterator[FileHead]:
    """
    Give the regular files of an archive, one by one, the stream before the content of each.

    Who takes one reads all of its bytes before the next. Raises InputError where it is none, or is cut.
    """
    while True:
        head = archive.read(_HEAD_BYTES)
        if len(head) != _HEAD_BYTES or head[:6] != _MAGIC:
            raise InputError("the archive is damaged")
        mode, size_bytes, name_bytes = (_number(head, at) for at in (_MODE_AT, _SIZE_AT, _NAME_SIZE_AT))
        if not 1 < name_bytes < _MAX_NAME_BYTES:
            raise InputError("the archive is damaged")
        name = archive.read(name_bytes + -(_HEAD_BYTES + name_bytes) % 4)[: name_bytes - 1]
        if name == _END:
            return
        if stat.S_ISREG(mode):
            yield FileHead(name.decode("utf-8", "replace"), size_bytes)
            archive.read(-size_bytes % 4)


def _number(head: bytes, at: int) -> int:
    try:
        return int(head[at : at + 8], 16)
    except ValueError as error:
        raise InputError("the archive is damaged") from error
