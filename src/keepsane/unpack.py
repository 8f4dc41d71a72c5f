# SPDX-License-Identifier: GPL-2.0-or-later
"""
Packed bytes as a stream: gzip, xz and zstd with the same limits and the same words.

One piece is unpacked at a time, so a small file that unpacks to much costs time but no memory. Members and
frames that follow each other are one stream, zeros and skippable frames between them are passed over. What
ends early, or has something else behind it, gives all that it holds, then EOFError or ValueError.

Sources: RFC 1952, RFC 8878, the .xz file format (tukaani.org/xz/xz-file-format.txt).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

MAGICS = {"gzip": (b"\x1f\x8b",), "xz": (b"\xfd7zXZ\x00",), "zstd": (b"\x28\xb5\x2f\xfd",)}
PIECE_BYTES = 65_536
MAX_DICTIONARY_BYTES = 128 << 20
"""What a file may make the unpacker hold: xz -9 asks for 64 MB, zstd --ultra -22 for 128 MB."""
_SKIPPABLE = b"PQRSTUVWXYZ[\\]^_", b"\x2a\x4d\x18"
_LEAST_BYTES = 6


class Unpacked(io.RawIOBase):
    """The stream that pieces make; it ends where they do, and only then raises what broke them off."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        """Read from `pieces`."""
        self._pieces = pieces
        self._ready = memoryview(b"")
        self._broken: Exception | None = None

    def readable(self) -> bool:
        """Tell that this can be read."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill `buffer` with what is unpacked; 0 at the end."""
        while not self._ready:
            piece = self._next()
            if piece is None:
                return 0
            self._ready = memoryview(piece)
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def _next(self) -> bytes | None:
        if self._broken is not None:
            raise self._broken
        try:
            return next(self._pieces, None)
        except Exception as error:  # first a buffer above gives what it holds, the next call hears of it
            self._broken = error
            return None


def unpacker(head: bytes) -> Callable[[BinaryIO], BinaryIO] | None:
    """Give what makes a stream of a file that begins with `head`; None for one that is not packed."""
    unpack = unpacking(head)
    if unpack is None:
        return None
    return lambda packed: cast(BinaryIO, io.BufferedReader(Unpacked(unpack(packed)), PIECE_BYTES))


def unpacking(head: bytes) -> Callable[[BinaryIO], Iterator[bytes]] | None:
    """Give what unpacks a file that begins with `head` into pieces; None for one that is not packed."""
    pieces = _zstd if _is_skippable(head) else None
    for name, of_this_name in (("gzip", _gzip), ("xz", _xz), ("zstd", _zstd)):
        pieces = of_this_name if head.startswith(MAGICS[name]) else pieces
    return None if pieces is None else lambda packed: pieces(_Source(packed))


class _Source:
    """Packed bytes of which some may be given back."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed, self._back = packed, b""

    def read(self, size: int = PIECE_BYTES) -> bytes:
        """Read up to `size` bytes; fewer only at the end."""
        data, self._back = self._back[:size], self._back[size:]
        while len(data) < size and (more := self._packed.read(size - len(data))):
            data += more
        return data

    def some(self) -> bytes:
        """Read what is there, at most a piece."""
        data, self._back = self._back, b""
        return data or self._packed.read(PIECE_BYTES)

    def give_back(self, data: bytes) -> None:
        """Have the next read begin with `data`."""
        self._back = data + self._back

    def ended(self) -> bool:
        """Pass over zeros; True at the end."""
        while data := self.some():
            if data := data.lstrip(b"\0"):
                self.give_back(data)
                return False
        return True


def _members(source: _Source, name: str, begin: Callable[[], Any]) -> Iterator[bytes]:
    """Unpack one member after the other; `begin` gives an object with decompress(), eof and unused_data."""
    first = True
    while first or not source.ended():
        _require(source, name, first)
        first, member = False, begin()
        while not member.eof:
            packed = source.some() if member.needs_input else b""
            data = member.decompress(packed, PIECE_BYTES)
            if not data and not packed and member.needs_input and not member.eof:
                raise EOFError(f"it ends inside a {name} stream")
            yield data
        source.give_back(member.unused_data)


def _require(source: _Source, name: str, first: bool) -> None:
    head = source.read(_LEAST_BYTES)
    source.give_back(head)
    if not head.startswith(MAGICS[name]):
        raise ValueError(f"something else stands {'before' if first else 'behind'} its {name} stream")


class _GzipMember:
    """zlib's unpacker in the form of lzma's."""

    def __init__(self) -> None:
        import zlib

        self._zlib = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    def decompress(self, data: bytes, most: int) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, most)


def _gzip(source: _Source) -> Iterator[bytes]:
    return _members(source, "gzip", _GzipMember)


def _xz(source: _Source) -> Iterator[bytes]:
    import lzma

    return _members(
        source, "xz", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_DICTIONARY_BYTES)
    )


def _is_skippable(head: bytes) -> bool:
    return len(head) > 4 and head[:1] in _SKIPPABLE[0] and head[1:4] == _SKIPPABLE[1]


def _zstd(source: _Source) -> Iterator[bytes]:
    """Unpack zstd block by block: a block gives 128 kB at most, a read of any size everything."""
    import zstandard

    unpack = zstandard.ZstdDecompressor(max_window_size=MAX_DICTIONARY_BYTES)
    first = True
    while first or not source.ended():
        head = source.read(8)
        if _is_skippable(head):
            _skip(source, int.from_bytes(head[4:8], "little"))
        else:
            source.give_back(head)
            _require(source, "zstd", first)
            yield from _zstd_frame(source, unpack.decompressobj())
        first = False


def _skip(source: _Source, size: int) -> None:
    while size > 0:
        data = source.read(min(size, PIECE_BYTES))
        if not data:
            raise EOFError("it ends inside a zstd frame")
        size -= len(data)


def _zstd_frame(source: _Source, frame: Any) -> Iterator[bytes]:
    import zstandard

    head = source.read(18)
    header_bytes = zstandard.frame_header_size(head)
    source.give_back(head[header_bytes:])
    has_checksum, last = bool(head[4] & 4), False
    yield frame.decompress(head[:header_bytes])
    while not last:
        start = _exactly(source, 3)
        said = int.from_bytes(start, "little")
        last, is_run, size = bool(said & 1), said >> 1 & 3 == 1, said >> 3
        yield frame.decompress(start + _exactly(source, 1 if is_run else size))
    if has_checksum:
        yield frame.decompress(_exactly(source, 4))
    if not frame.eof:
        raise EOFError("it ends inside a zstd frame")


def _exactly(source: _Source, size: int) -> bytes:
    data = source.read(size)
    if len(data) < size:
        raise EOFError("it ends inside a zstd frame")
    return data
