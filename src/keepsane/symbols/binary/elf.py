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
from typing import BinaryIO, NamedTuple

from keepsane.errors import SymbolError
from keepsane.symbols.binary.limits import (
    MAX_ALIGN_BYTES,
    MAX_BUILD_ID_BYTES,
    MAX_LOADED_BYTES,
    MAX_LOADED_KERNEL_BYTES,
    MAX_NAME_BYTES,
    MAX_NOTE_BYTES,
    MAX_SECTION_BYTES,
    MAX_SECTION_NAMES_BYTES,
    MAX_SECTIONS,
)
from keepsane.symbols.binary.unnamed import ELF_MAGIC, Room, unpacked
from keepsane.unpack import unpacking

ET_REL = 1
SHT_SYMTAB, SHT_NOTE, SHT_NOBITS = 2, 7, 8
_SHT_NULL = 0
SHF_ALLOC, SHF_EXECINSTR = 0x2, 0x4
EM_X86_64, EM_AARCH64 = 62, 183

_PAGE_BYTES = 4096
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_NOTE = struct.Struct("<III")


class FileIdentity(NamedTuple):
    """Which file it was, with which content: whoever writes to it changes `changed_ns`."""

    device: int
    inode: int
    changed_ns: int
    size_bytes: int


class Section(NamedTuple):
    """One section header; `address` is 0 in a relocatable file."""

    name: str
    kind: int
    flags: int
    address: int
    offset: int
    size_bytes: int
    link: int
    info: int
    align_bytes: int

    @property
    def is_text(self) -> bool:
        """Say whether the section is loaded and holds instructions."""
        return self.flags & (SHF_ALLOC | SHF_EXECINSTR) == SHF_ALLOC | SHF_EXECINSTR


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Elf:
    """
    An opened ELF file.

    `path` is the file the user knows, `identity` what it was when opened. `descriptor` is open on the ELF
    bytes, which for a compressed file are a private temporary file, and is closed when nobody holds the value
    any more.
    """

    path: Path
    identity: FileIdentity
    descriptor: int
    kind: int
    machine: int
    sections: tuple[Section, ...]
    build_id: str | None

    def section(self, name: str) -> Section | None:
        """Find the first section of this name."""
        return next((section for section in self.sections if section.name == name), None)

    def content(self, section: Section) -> bytes:
        """
        Give a section's bytes, none for a section that has no bytes in the file.

        Raises SymbolError where they are more than 256 MiB.
        """
        if section.kind in (_SHT_NULL, SHT_NOBITS):
            return b""
        self.refuse_larger(section, MAX_SECTION_BYTES)
        return os.pread(self.descriptor, section.size_bytes, section.offset)

    def refuse_larger(self, section: Section, most_bytes: int) -> None:
        """Raise SymbolError where a section has more bytes than are read."""
        if section.size_bytes > most_bytes:
            raise SymbolError(
                f"{self.path} is not used: its section {section.name} has {section.size_bytes} bytes, "
                f"more than the {most_bytes} that are read; give the file that the kernel's build made"
            )

    @property
    def has_debug_info(self) -> bool:
        """Say whether the file holds DWARF."""
        return self.section(".debug_info") is not None


def read_elf(path: Path, room: Room | None = None) -> Elf:
    """
    Open a vmlinux or a module; a compressed one takes of `room`.

    Raises SymbolError where the file is missing, cannot be unpacked, is truncated, or is no 64-bit
    little-endian ELF file.
    """
    identity, descriptor = _opened(path, room or Room())
    try:
        elf = _parse(path, identity, descriptor)
    except (struct.error, ValueError, IndexError, OverflowError) as problem:
        os.close(descriptor)
        raise SymbolError(f"{path} is a damaged ELF file ({problem}); give an undamaged copy") from problem
    except SymbolError:
        os.close(descriptor)
        raise
    weakref.finalize(elf, os.close, descriptor)
    return elf


def _parse(path: Path, identity: FileIdentity, descriptor: int) -> Elf:
    size_bytes = os.fstat(descriptor).st_size
    raw = os.pread(descriptor, _HEADER.size, 0)
    if len(raw) < _HEADER.size or raw[:4] != ELF_MAGIC:
        raise SymbolError(
            f"{path} is no ELF file; give an uncompressed vmlinux (not bzImage or vmlinuz) or a .ko"
        )
    if raw[4:6] != b"\x02\x01":
        raise SymbolError(f"{path} is no 64-bit little-endian ELF file; only those can be read")
    header = _HEADER.unpack(raw)
    kind, machine, start, entries, names = header[1], header[2], header[6], header[12], header[13]
    if entries > MAX_SECTIONS or start + entries * _SECTION.size > size_bytes:
        raise SymbolError(f"{path} is truncated: its section headers lie behind its end; copy it again")
    sections = _sections(descriptor, start, entries, names)
    _refuse_truncated(path, sections, size_bytes)
    _refuse_misplaced(sections, kind)
    return Elf(path, identity, descriptor, kind, machine, sections, _build_id(descriptor, sections))


def _sections(descriptor: int, start: int, entries: int, names: int) -> tuple[Section, ...]:
    raw = list(_SECTION.iter_unpack(os.pread(descriptor, entries * _SECTION.size, start)))
    if not raw:
        return ()
    table = os.pread(descriptor, min(raw[names][5], MAX_SECTION_NAMES_BYTES), raw[names][4])
    return tuple(
        Section(name_at(table, section[0]).decode("utf-8", "replace"), *section[1:9]) for section in raw
    )


def name_at(table: bytes, offset: int) -> bytes:
    """Give the name that begins at a place of a string table, at most 1024 bytes of it."""
    # Not up to whatever NUL there is: thousands of names may begin in one long string.
    end = table.find(0, offset, offset + MAX_NAME_BYTES)
    return table[offset : offset + MAX_NAME_BYTES if end < 0 else end]


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
            section.align_bytes & (section.align_bytes - 1) or section.align_bytes > MAX_ALIGN_BYTES
        ):
            raise ValueError(f"section {section.name} is to be aligned to {section.align_bytes:#x} bytes")
    room_bytes = sum(section.size_bytes + max(section.align_bytes, _PAGE_BYTES) for section in loaded)
    if kind == ET_REL and room_bytes > MAX_LOADED_BYTES:
        raise ValueError(f"its sections take {room_bytes} bytes of memory")
    # Sections may lie on one another: each is small enough, and all together are read a thousand times.
    file_bytes = sum(section.size_bytes for section in loaded if section.kind != SHT_NOBITS)
    if file_bytes > MAX_LOADED_KERNEL_BYTES:
        raise ValueError(f"its loaded sections have {file_bytes} bytes")


def _build_id(descriptor: int, sections: tuple[Section, ...]) -> str | None:
    for section in sections:
        if section.kind == SHT_NOTE:
            for name, kind, content in _notes(
                os.pread(descriptor, min(section.size_bytes, MAX_NOTE_BYTES), section.offset)
            ):
                if name == b"GNU\0" and kind == 3 and 0 < len(content) <= MAX_BUILD_ID_BYTES:
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


def _opened(path: Path, room: Room) -> tuple[FileIdentity, int]:
    try:
        with open_regular(path) as file:
            identity = identity_of(os.fstat(file.fileno()))
            unpack = unpacking(file.read(6))
            file.seek(0)
            return identity, os.dup(file.fileno()) if unpack is None else unpacked(path, unpack(file), room)
    except (OSError, ValueError) as problem:
        raise SymbolError(
            f"{path} cannot be read: {getattr(problem, 'strerror', None) or problem}; give another copy"
        ) from problem


def identity_of(found: os.stat_result) -> FileIdentity:
    """Say which file and which content of it a stat is of."""
    return FileIdentity(found.st_dev, found.st_ino, found.st_ctime_ns, found.st_size)


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
