# SPDX-License-Identifier: GPL-2.0-or-later
"""
Compressed binaries, unpacked to a file without a name.

Such a file is nobody else's, and is gone with the process, however that ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from keepsane.errors import SymbolError
from keepsane.symbols.binary.limits import (
    LEFT_FREE_BYTES,
    MAX_UNPACKED_BYTES,
    MAX_UNPACKED_MODULE_BYTES,
    MAX_UNPACKED_TOTAL_BYTES,
)

ELF_MAGIC = b"\x7fELF"


@dataclass(slots=True)
class Room:
    """How much one run may still unpack."""

    left_bytes: int = MAX_UNPACKED_TOTAL_BYTES


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
    if disk.f_bavail * disk.f_frsize < LEFT_FREE_BYTES:
        raise SymbolError(f"{path} unpacks to more than the temporary directory has room for; set TMPDIR")


def _said(path: Path, pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except Exception as problem:  # each decompressor has an error class of its own
        raise SymbolError(f"{path} cannot be unpacked: {problem}; copy it again") from problem
