# SPDX-License-Identifier: GPL-2.0-or-later
"""
Compressed binaries, `.xz`, `.gz` and `.zst`, unpacked to a file without a name.

Such a file is nobody else's, and is gone with the process, however that ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from keepsane.errors import SymbolError
from keepsane.symbols.binary.limits import (
    LEFT_FREE_BYTES,
    MAX_UNPACKED_BYTES,
    MAX_UNPACKED_MODULE_BYTES,
    MAX_UNPACKED_TOTAL_BYTES,
)

ELF_MAGIC = b"\x7fELF"
_CHUNK_BYTES = 1 << 20
_ZSTD_CHUNK_BYTES = 1 << 10  # four bytes become 128 KiB at most: 32 MiB at a time
_MAX_WINDOW_BYTES = 1 << 27
_MAX_XZ_BYTES = 256 << 20


@dataclass(slots=True)
class Room:
    """How much one run may still unpack."""

    left_bytes: int = MAX_UNPACKED_TOTAL_BYTES


def unpacking(file: BinaryIO, magic: bytes) -> Iterator[bytes] | None:
    """Give what a compressed file holds in pieces, None where it is not compressed."""
    # Imported here: most files are not compressed, and each of these costs milliseconds.
    if magic[:2] == b"\x1f\x8b":
        import gzip

        return _pieces(cast("IO[bytes]", gzip.GzipFile(fileobj=file)))
    if magic == b"\xfd7zXZ\0":
        return _xz_pieces(file)
    if magic[:4] == b"\x28\xb5\x2f\xfd":
        return _zstd_pieces(file)
    return None


def _pieces(source: IO[bytes]) -> Iterator[bytes]:
    while piece := source.read(_CHUNK_BYTES):
        yield piece


def _xz_pieces(file: BinaryIO) -> Iterator[bytes]:
    import lzma

    # Not LZMAFile: it has no limit for the dictionary, which may take 4 GiB.
    unpacker = None
    while piece := file.read(_CHUNK_BYTES):
        while piece:
            unpacker = unpacker or lzma.LZMADecompressor(memlimit=_MAX_XZ_BYTES)
            yield unpacker.decompress(piece, _CHUNK_BYTES)
            while not unpacker.eof and not unpacker.needs_input:
                yield unpacker.decompress(b"", _CHUNK_BYTES)
            piece = unpacker.unused_data.lstrip(b"\0") if unpacker.eof else b""
            unpacker = None if unpacker.eof else unpacker
    if unpacker is not None:
        raise EOFError("it is truncated")


def _zstd_pieces(file: BinaryIO) -> Iterator[bytes]:
    # Not stream_reader(): it ends without a word where the file is cut off.
    import zstandard

    unpacker = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
    frame = unpacker.decompressobj()
    while piece := file.read(_ZSTD_CHUNK_BYTES):
        while piece:
            if frame.eof:
                frame = unpacker.decompressobj()
            yield frame.decompress(piece)
            piece = frame.unused_data if frame.eof else b""
    if not frame.eof:
        raise EOFError("it is truncated")


def unpacked(path: Path, pieces: Iterator[bytes], room: Room) -> int:
    """
    Write the pieces of a file to a private temporary one, and give a descriptor of that.

    Raises SymbolError where they are no ELF file, cannot be unpacked, or are more than there is room for.
    """
    # An unlinked file, not memory: drgn takes a descriptor, and a child process inherits it.
    import tempfile

    begun, done_bytes = b"", 0
    with tempfile.TemporaryFile() as target:
        for piece in _said(path, pieces):
            begun = begun if len(begun) >= len(ELF_MAGIC) else begun + piece[: len(ELF_MAGIC)]
            done_bytes += len(piece)
            room.left_bytes -= len(piece)
            _refuse_bomb(path, begun, done_bytes, room)
            _refuse_full_disk(path, target.fileno())
            target.write(piece)
        target.flush()
        return os.dup(target.fileno())


def _refuse_bomb(path: Path, begun: bytes, done_bytes: int, room: Room) -> None:
    # What is no ELF file is known from its first bytes, and need not be unpacked.
    if len(begun) >= len(ELF_MAGIC) and not begun.startswith(ELF_MAGIC):
        raise SymbolError(f"{path} holds no ELF file; give a vmlinux or a .ko")
    most_bytes = MAX_UNPACKED_MODULE_BYTES if ".ko" in path.suffixes else MAX_UNPACKED_BYTES
    if done_bytes > most_bytes:
        raise SymbolError(f"{path} unpacks to more than {most_bytes} bytes; unpack it yourself")
    if room.left_bytes < 0:
        raise SymbolError(
            f"{path} was not unpacked: with it the compressed files of this run would take more than "
            f"{MAX_UNPACKED_TOTAL_BYTES} bytes; unpack them yourself"
        )


def _refuse_full_disk(path: Path, target: int) -> None:
    disk = os.fstatvfs(target)
    if disk.f_bavail * disk.f_frsize < LEFT_FREE_BYTES + _CHUNK_BYTES:
        raise SymbolError(f"{path} unpacks to more than the temporary directory has room for; set TMPDIR")


def _said(path: Path, pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except Exception as problem:  # each decompressor has an error class of its own
        raise SymbolError(f"{path} cannot be unpacked: {problem}; copy it again") from problem
