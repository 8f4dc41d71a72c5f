# SPDX-License-Identifier: GPL-2.0-or-later
"""
A tar, read forward only, with a limit on all that a header may ask for.

Accepted: the POSIX formats ustar and pax, GNU's with its long names, sizes in base 256 and sparse files, and
the older ones without a magic. Only regular files have data that is given; of links, devices and sparse files
the name is.

The standard library's reader is not used: in versions of Python that are around a header of digits keeps
it busy for minutes (CVE-2024-6232), and no limit can be set on what it reads of one.
Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; GNU tar, "Basic Tar Format".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

BLOCK_BYTES = 512
MAX_HEADER_BYTES = 1 << 16
"""A header that says more of the next one: its long name, its time in nanoseconds, its labels."""
MAX_HEADERS = 16
"""The most of them before one file."""
MAX_NAME = 1024

_PIECE_BYTES = 1 << 16
_OCTAL = re.compile(rb"[ \0]{0,12}([0-7]{0,12})[ \0]{0,12}")
_LENGTH = re.compile(rb"(\d{1,6}) ")
_SIZE = re.compile(rb"\d{1,19}")
_FILES = b"0\x007"
_WITHOUT_DATA = b"123456"
_LONG_NAME, _LONG_LINK, _SPARSE = b"L", b"K", b"S"
_OF_NEXT, _OF_ALL = (b"x", b"X"), b"g"


class TarError(ValueError):
    """What is wrong with a tar, in words."""


class _Header(NamedTuple):
    kind: bytes
    name: bytes
    size: int
    block: bytes


@dataclass(slots=True)
class _Said:
    """What headers said of the file after them."""

    name: bytes | None = None
    size: int | None = None
    sparse: bool = False


@dataclass(slots=True)
class Entry:
    """A member; where `is_file`, read() gives its data as long as the next one was not asked for."""

    name: str
    size_bytes: int
    is_file: bool
    stream: BinaryIO
    left_bytes: int = field(default=0)

    def read(self) -> bytes:
        """Give the data. Raises TarError where the tar ends inside it."""
        data = self.stream.read(self.left_bytes)
        self.left_bytes -= len(data)
        if self.left_bytes:
            raise TarError(f"it ends inside {self.name[:80]!r}")
        return data


def tar_entries(stream: BinaryIO) -> Iterator[Entry]:
    """Yield the members in order. Raises TarError where it is no tar, is cut off, or asks too much."""
    said = _Said()
    before = 0
    while (header := _header(stream)) is not None:
        if header.kind in (*_OF_NEXT, _OF_ALL, _LONG_NAME, _LONG_LINK):
            before += 1
            _listen(said, header.kind, _told(stream, header.size, before))
            continue
        entry = _entry(stream, header, said)
        yield entry
        _skip(stream, entry.left_bytes + -entry.size_bytes % BLOCK_BYTES)
        said, before = _Said(), 0


def _entry(stream: BinaryIO, header: _Header, said: _Said) -> Entry:
    size = header.size if said.size is None else said.size
    name = header.name if said.name is None else said.name
    sparse = said.sparse or header.kind == _SPARSE
    if header.kind == _SPARSE:
        _skip_map(stream, header.block)
    is_folder = header.kind == b"\0" and name.endswith(b"/")
    size = 0 if header.kind in _WITHOUT_DATA or is_folder else size
    is_file = header.kind in _FILES and not sparse and not is_folder
    return Entry(name[:MAX_NAME].decode("utf-8", "replace"), size, is_file, stream, size)


def _header(stream: BinaryIO) -> _Header | None:
    """Read a header; None at the block of zeros that ends a tar."""
    block = stream.read(BLOCK_BYTES)
    if not block.strip(b"\0") and len(block) == BLOCK_BYTES:
        return None
    if len(block) < BLOCK_BYTES:
        raise TarError("its end is missing")
    if not _is_sum(_number(block[148:156]), block[:148] + b" " * 8 + block[156:]):
        raise TarError("it is no tar, or damaged: a header's checksum is wrong")
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return _Header(block[156:157], b"/".join(filter(None, (prefix, name))), _number(block[124:136]), block)


def _is_sum(said: int, block: bytes) -> bool:
    """Compare with the sum of all bytes, blanks for the sum itself; once programs took bytes for signed."""
    return said == sum(block) or said == sum(block) - 256 * sum(byte > 127 for byte in block)


def _number(said: bytes) -> int:
    if said[0] == 0x80:
        return int.from_bytes(said[1:], "big")
    found = _OCTAL.fullmatch(said)
    if found is None:
        raise TarError("it is no tar, or damaged: a number in a header is none")
    return int(found[1] or b"0", 8)


def _told(stream: BinaryIO, size: int, before: int) -> bytes:
    """Read what a header says of others."""
    if size > MAX_HEADER_BYTES:
        raise TarError(f"a header claims {size} bytes")
    if before > MAX_HEADERS:
        raise TarError(f"more than {MAX_HEADERS} headers stand before one file")
    data = stream.read(size + -size % BLOCK_BYTES)[:size]
    if len(data) < size:
        raise TarError("it ends inside a header")
    return data


def _listen(said: _Said, kind: bytes, data: bytes) -> None:
    if kind == _LONG_NAME:
        said.name = data.partition(b"\0")[0]
    for key, value in _records(data) if kind in _OF_NEXT else ():
        if key == b"path":
            said.name = value
        elif key == b"size" and _SIZE.fullmatch(value):
            said.size = int(value)
        elif key.startswith(b"GNU.sparse."):
            said.sparse = True


def _records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The records of a pax header: the length of all of it, a blank, `path=proc/vmstat`, a line's end."""
    at = 0
    while at < len(data) and (found := _LENGTH.match(data, at)):
        end = at + int(found[1])
        record = data[found.end() : end]
        if end > len(data) or not record.endswith(b"\n"):
            raise TarError("a record in a header has no end")
        key, _, value = record[:-1].partition(b"=")
        yield key, value
        at = end


def _skip_map(stream: BinaryIO, block: bytes) -> None:
    """Pass over the blocks that say where in a sparse file of GNU tar its data lie."""
    more = block[482]
    while more:
        block = stream.read(BLOCK_BYTES)
        if len(block) < BLOCK_BYTES:
            raise TarError("it ends inside a header")
        more = block[504]


def _skip(stream: BinaryIO, size: int) -> None:
    while size and (piece := stream.read(min(size, _PIECE_BYTES))):
        size -= len(piece)
    if size:
        raise TarError("its end is missing")
