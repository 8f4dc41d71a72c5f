# SPDX-License-Identifier: GPL-2.0-or-later
"""zstd as a stream that says so when it ends early; the library's own reader takes that for the end."""

from __future__ import annotations

import io
from typing import BinaryIO

import zstandard

CHUNK_BYTES = 65_536


class ZstdReader(io.RawIOBase):
    """Unpacks one zstd frame after the other; EOFError where the last one is not whole."""

    def __init__(self, packed: BinaryIO) -> None:
        """Read from `packed`, which stands at the beginning of a frame."""
        self._packed = packed
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._fed = False
        self._ready = b""

    def readable(self) -> bool:
        """Tell that this can be read."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill `buffer` with unpacked bytes; 0 at the end of the last whole frame."""
        while not self._ready:
            chunk = self._packed.read(CHUNK_BYTES)
            if not chunk:
                if self._fed:
                    raise EOFError("it ends inside a zstd frame")
                return 0
            self._unpack(chunk)
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def _unpack(self, chunk: bytes) -> None:
        while chunk:
            self._ready += self._frame.decompress(chunk)
            self._fed, chunk = not self._frame.eof, self._frame.unused_data
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
