# SPDX-License-Identifier: GPL-2.0-or-later
"""
The ELF file of a kernel or module: header, sections, build-id, compression.

Read with struct and pread: only what is asked for is read, so a file whose answers are all cached costs a few
pages.
Accepted: 64-bit little-endian ELF, plain or as `.xz`, `.gz`, `.zst`. Source: the System V ABI, elf(5).
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, cast

from keepsane.errors import SymbolError

ET_REL = 1
SHT_SYMTAB, SHT_NOTE, SHT_NOBITS = 2, 7, 8
_SHT_NULL = 0
SHF_ALLOC, SHF_EXECINSTR = 0x2, 0x4
EM_X86_64, EM_AARCH64 = 62, 183

_MAX_UNPACKED_BYTES = 1 << 30
_MAX_UNPACKED_MODULE_BYTES = 512 << 20
_LEFT_FREE_BYTES = 256 << 20
_MAX_LOADED_BYTES = 512 << 20
_MAX_ALIGN_BYTES = 1 << 20
_MAX_BUILD_ID_BYTES = 64
_MAX_SECTIONS = 0xFF00
_MAX_NAMES_BYTES = 1 << 24
_CHUNK_BYTES = 1 << 20
_ZSTD_CHUNK_BYTES = 1 << 10  # four bytes become 128 KiB at most: 32 MiB at a time
_PAGE_BYTES = 4096
_MAGIC = b"\x7fELF"
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_NOTE = struct.Struct("<III")


class Section(NamedTuple):
    """One section header; `address` is 0 in a relocatable file."""

    name: str
    kind: int
    flags: int
    address: int
    offset: int
    size_bytes: int
    link: int
    align_bytes: int

    @property
    def is_text(self) -> bool:
        """Say whether the section is loaded and holds instructions."""
        return self.flags & (SHF_ALLOC | SHF_EXECINSTR) == SHF_ALLOC | SHF_EXECINSTR


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Elf:
    """
    An opened ELF file.

    `path` is the file the user knows; `descriptor` is open on the ELF bytes themselves, which for a
    compressed file are a private temporary file, and is closed when nobody holds the value any more.
    """

    path: Path
    descriptor: int
    kind: int
    machine: int
    sections: tuple[Section, ...]
    build_id: str | None

    def section(self, name: str) -> Section | None:
        """Find the first section of this name."""
        return next((section for section in self.sections if section.name == name), None)

    def content(self, section: Section) -> bytes:
        """Give a section's bytes, none for a section that has no bytes in the file."""
        if section.kind in (_SHT_NULL, SHT_NOBITS):
            return b""
        return os.pread(self.descriptor, section.size_bytes, section.offset)

    @property
    def has_debug_info(self) -> bool:
        """Say whether the file holds DWARF."""
        return self.section(".debug_info") is not None


def read_elf(path: Path) -> Elf:
    """
    Open a vmlinux or a module.

    Raises SymbolError where the file is missing, cannot be unpacked, is truncated, or is no 64-bit
    little-endian ELF file.
    """
    descriptor = _opened(path)
    try:
        elf = _parse(path, descriptor)
    except (struct.error, ValueError, IndexError, OverflowError) as problem:
        os.close(descriptor)
        raise SymbolError(f"{path} is a damaged ELF file ({problem}); give an undamaged copy") from problem
    except SymbolError:
        os.close(descriptor)
        raise
    weakref.finalize(elf, os.close, descriptor)
    return elf


def _parse(path: Path, descriptor: int) -> Elf:
    size_bytes = os.fstat(descriptor).st_size
    raw = os.pread(descriptor, _HEADER.size, 0)
    if len(raw) < _HEADER.size or raw[:4] != _MAGIC:
        raise SymbolError(
            f"{path} is no ELF file; give an uncompressed vmlinux (not bzImage or vmlinuz) or a .ko"
        )
    if raw[4:6] != b"\x02\x01":
        raise SymbolError(f"{path} is no 64-bit little-endian ELF file; only those can be read")
    header = _HEADER.unpack(raw)
    kind, machine, start, entries, names = header[1], header[2], header[6], header[12], header[13]
    if entries > _MAX_SECTIONS or start + entries * _SECTION.size > size_bytes:
        raise SymbolError(f"{path} is truncated: its section headers lie behind its end; copy it again")
    sections = _sections(descriptor, start, entries, names)
    _refuse_truncated(path, sections, size_bytes)
    _refuse_misplaced(sections, kind)
    return Elf(path, descriptor, kind, machine, sections, _build_id(descriptor, sections))


def _sections(descriptor: int, start: int, entries: int, names: int) -> tuple[Section, ...]:
    raw = list(_SECTION.iter_unpack(os.pread(descriptor, entries * _SECTION.size, start)))
    if not raw:
        return ()
    table = os.pread(descriptor, min(raw[names][5], _MAX_NAMES_BYTES), raw[names][4])
    return tuple(
        Section(_string(table, one[0]), one[1], one[2], one[3], one[4], one[5], one[6], one[8]) for one in raw
    )


def _string(table: bytes, offset: int) -> str:
    return table[offset : table.index(0, offset)].decode("utf-8", "replace")


def _refuse_truncated(path: Path, sections: tuple[Section, ...], size_bytes: int) -> None:
    for section in sections:
        if section.kind not in (_SHT_NULL, SHT_NOBITS) and section.offset + section.size_bytes > size_bytes:
            raise SymbolError(
                f"{path} is truncated: section {section.name} lies behind its end; copy it again"
            )


def _refuse_misplaced(sections: tuple[Section, ...], kind: int) -> None:
    loaded = [section for section in sections if section.flags & SHF_ALLOC]
    for section in loaded:
        if section.address + section.size_bytes > 1 << 64:
            raise ValueError(f"section {section.name} lies behind the end of memory")
        if kind == ET_REL and (
            section.align_bytes & (section.align_bytes - 1) or section.align_bytes > _MAX_ALIGN_BYTES
        ):
            raise ValueError(f"section {section.name} is to be aligned to {section.align_bytes:#x} bytes")
    room_bytes = sum(one.size_bytes + max(one.align_bytes, _PAGE_BYTES) for one in loaded)
    if kind == ET_REL and room_bytes > _MAX_LOADED_BYTES:
        raise ValueError(f"its sections take {room_bytes} bytes of memory")


def _build_id(descriptor: int, sections: tuple[Section, ...]) -> str | None:
    for section in sections:
        if section.kind == SHT_NOTE:
            for name, kind, content in _notes(
                os.pread(descriptor, min(section.size_bytes, _MAX_NAMES_BYTES), section.offset)
            ):
                if name == b"GNU\0" and kind == 3 and 0 < len(content) <= _MAX_BUILD_ID_BYTES:
                    return content.hex()
    return None


def _notes(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    position = 0
    while position + _NOTE.size <= len(data):
        name_bytes, content_bytes, kind = _NOTE.unpack_from(data, position)
        name = position + _NOTE.size
        content = name + (name_bytes + 3) // 4 * 4
        yield data[name : name + name_bytes], kind, data[content : content + content_bytes]
        position = content + (content_bytes + 3) // 4 * 4


def _opened(path: Path) -> int:
    try:
        with open_regular(path) as file:
            magic = file.read(6)
            file.seek(0)
            unpacked = _unpacking(file, magic)
            return os.dup(file.fileno()) if unpacked is None else _unpacked(path, unpacked)
    except (OSError, ValueError) as problem:
        raise SymbolError(
            f"{path} cannot be read: {getattr(problem, 'strerror', None) or problem}; give another copy"
        ) from problem


def open_regular(path: Path) -> BinaryIO:
    """Open a file to read it; raises OSError where it is a FIFO, a device or else could block."""
    # Before it is opened, too: opening some devices does something. And without waiting for who writes.
    _refuse_irregular(path.stat())
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        _refuse_irregular(os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def _refuse_irregular(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")


def _unpacking(file: BinaryIO, magic: bytes) -> Iterator[bytes] | None:
    # Imported here: most files are not compressed, and each of these costs milliseconds.
    if magic[:2] == b"\x1f\x8b":
        import gzip

        return _pieces(cast("IO[bytes]", gzip.GzipFile(fileobj=file)))
    if magic == b"\xfd7zXZ\0":
        import lzma

        return _pieces(lzma.LZMAFile(file))
    if magic[:4] == b"\x28\xb5\x2f\xfd":
        return _zstd_pieces(file)
    return None


def _pieces(source: IO[bytes]) -> Iterator[bytes]:
    while piece := source.read(_CHUNK_BYTES):
        yield piece


def _zstd_pieces(file: BinaryIO) -> Iterator[bytes]:
    # Not stream_reader(): it ends without a word where the file is cut off.
    import zstandard

    unpacker = zstandard.ZstdDecompressor(max_window_size=1 << 27)
    frame = unpacker.decompressobj()
    while piece := file.read(_ZSTD_CHUNK_BYTES):
        while piece:
            if frame.eof:
                frame = unpacker.decompressobj()
            yield frame.decompress(piece)
            piece = frame.unused_data if frame.eof else b""
    if not frame.eof:
        raise EOFError("it is truncated")


def _unpacked(path: Path, pieces: Iterator[bytes]) -> int:
    # An unlinked file, not memory: drgn takes a descriptor, and a child process inherits it.
    import tempfile

    most_bytes = _MAX_UNPACKED_MODULE_BYTES if ".ko" in path.suffixes else _MAX_UNPACKED_BYTES
    begun, done_bytes = b"", 0
    with tempfile.TemporaryFile() as target:
        for piece in _unpacked_pieces(path, pieces):
            begun = begun if len(begun) >= len(_MAGIC) else begun + piece[: len(_MAGIC)]
            done_bytes += len(piece)
            _refuse_bomb(path, begun, done_bytes, most_bytes, target.fileno())
            target.write(piece)
        target.flush()
        return os.dup(target.fileno())


def _refuse_bomb(path: Path, begun: bytes, done_bytes: int, most_bytes: int, target: int) -> None:
    # What is no ELF file is known from its first bytes, and need not be unpacked.
    if len(begun) >= len(_MAGIC) and not begun.startswith(_MAGIC):
        raise SymbolError(f"{path} holds no ELF file; give a vmlinux or a .ko")
    if done_bytes > most_bytes:
        raise SymbolError(f"{path} unpacks to more than {most_bytes} bytes; unpack it yourself")
    disk = os.fstatvfs(target)
    if disk.f_bavail * disk.f_frsize < _LEFT_FREE_BYTES + _CHUNK_BYTES:
        raise SymbolError(f"{path} unpacks to more than the temporary directory has room for; set TMPDIR")


def _unpacked_pieces(path: Path, pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except Exception as problem:  # each decompressor has an error class of its own
        raise SymbolError(f"{path} cannot be unpacked: {problem}; copy it again") from problem
