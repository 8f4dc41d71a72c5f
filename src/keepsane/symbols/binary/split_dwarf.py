# SPDX-License-Identifier: GPL-2.0-or-later
"""
DWARF that names another file is refused before libdw sees it.

A skeleton unit says in `DW_AT_dwo_name` (DWARF 4: `DW_AT_GNU_dwo_name`) where the rest of it is, and libdw
opens whatever is there: a FIFO is waited for, a device is opened. libdw goes by the unit's type in the header
(DWARF 5) or by the attribute of the unit's entry (before), so both are looked for here, with nothing else of
the DWARF read. A relocation that would change a header afterwards is refused as well.

Source: DWARF 5, 7.5.1 (unit headers) and 3.1.2 (skeleton units); the System V ABI, compressed sections.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from keepsane.errors import SymbolError
from keepsane.symbols.binary.elf import ET_REL, Elf, Section
from keepsane.symbols.binary.limits import (
    MAX_DEBUG_BYTES,
    MAX_MODULE_UNITS,
    MAX_UNITS,
    MAX_UNPACKED_MODULE_BYTES,
)

_SHF_COMPRESSED = 0x800
_ZLIB, _ZSTD = 1, 2
_COMPRESSED = struct.Struct("<IIQQ")
_OLD_COMPRESSED_BYTES = 12
_CHUNK_BYTES = 1 << 20
_PACKED_CHUNK_BYTES = 1 << 14
_UNITS = (".debug_info", ".debug_types")
_ABBREVIATIONS = ".debug_abbrev"
_SKELETON, _SPLIT_COMPILE, _SPLIT_TYPE = 4, 5, 6
_HEADER_BYTES = 40
_LONG = 0xFFFFFFFF
# DW_AT_GNU_dwo_name, 0x2130, as a LEB128 number, also one written longer than needed.
_OLD_NAME = re.compile(rb"(?:\A|[\x00-\x7f])\xb0(?:\x42|\xc2\x80{0,8}\x00)")
# Of R_X86_64_PC32, 32, 32S, 16, 8 and R_AARCH64_ABS32, ABS16; any other has eight.
_SIZES_BYTES = {2: 4, 10: 4, 11: 4, 12: 2, 14: 1, 258: 4, 259: 2}
_RELOCATION_BYTES = {4: 24, 9: 16}  # SHT_RELA and SHT_REL


class _Unit(NamedTuple):
    """A unit's header: where it lies, which part of it a relocation may fill, and what it says."""

    start: int
    end: int
    offset_at: int
    offset_bytes: int
    version: int
    kind: int

    @property
    def is_split(self) -> bool:
        return self.version >= 5 and self.kind in (_SKELETON, _SPLIT_COMPILE, _SPLIT_TYPE)


def refuse_split_dwarf(elf: Elf) -> None:
    """Raise SymbolError where the DWARF of a file names other files, or unpacks to more than is read."""
    _refuse_large(elf)
    for index, section in enumerate(elf.sections):
        if _plain_name(section) in _UNITS:
            units = tuple(_units(elf, section))
            if any(unit.is_split for unit in units) or (_has_old(units) and _has_old_name(elf)):
                raise SymbolError(
                    f"{elf.path} has split DWARF: the rest of it lies in a file that it names, and no such "
                    "file is opened; give a file built without -gsplit-dwarf"
                )
            _refuse_relocated(elf, index, units)


def _has_old(units: Sequence[_Unit]) -> bool:
    return any(unit.version < 5 for unit in units)


def _plain_name(section: Section) -> str:
    return f".{section.name[2:]}" if section.name.startswith(".zdebug_") else section.name


def _refuse_large(elf: Elf) -> None:
    total_bytes = sum(_unpacked_bytes(elf, section) for section in elf.sections)
    most_bytes = MAX_UNPACKED_MODULE_BYTES if elf.kind == ET_REL else MAX_DEBUG_BYTES
    if total_bytes > most_bytes:
        raise SymbolError(
            f"{elf.path} is not decoded: its debug sections unpack to {total_bytes} bytes, "
            f"more than the {most_bytes} that are read"
        )


def _unpacked_bytes(elf: Elf, section: Section) -> int:
    if section.flags & _SHF_COMPRESSED:
        head = os.pread(elf.descriptor, _COMPRESSED.size, section.offset)
        return int(_COMPRESSED.unpack(head)[2]) if len(head) == _COMPRESSED.size else 0
    if section.name.startswith(".zdebug_"):
        return int.from_bytes(os.pread(elf.descriptor, 8, section.offset + 4), "big")
    return 0


def _pieces(elf: Elf, section: Section) -> Iterator[bytes]:
    """Give the content of a debug section piece by piece, unpacked."""
    if section.flags & _SHF_COMPRESSED:
        head = os.pread(elf.descriptor, _COMPRESSED.size, section.offset)
        kind = _COMPRESSED.unpack(head)[0] if len(head) == _COMPRESSED.size else 0
        packed = _raw(elf, section, _COMPRESSED.size, _PACKED_CHUNK_BYTES)
        return _unpacked(elf, kind, packed)
    if section.name.startswith(".zdebug_"):
        return _unpacked(elf, _ZLIB, _raw(elf, section, _OLD_COMPRESSED_BYTES, _PACKED_CHUNK_BYTES))
    return _raw(elf, section, 0, _CHUNK_BYTES)


def _raw(elf: Elf, section: Section, skipped_bytes: int, chunk_bytes: int) -> Iterator[bytes]:
    end = section.offset + section.size_bytes
    for at in range(section.offset + skipped_bytes, end, chunk_bytes):
        yield os.pread(elf.descriptor, min(chunk_bytes, end - at), at)


def _unpacked(elf: Elf, kind: int, packed: Iterator[bytes]) -> Iterator[bytes]:
    done_bytes = 0
    try:
        for piece in _zlib(packed) if kind == _ZLIB else _zstd(packed) if kind == _ZSTD else ():
            done_bytes += len(piece)
            if done_bytes > MAX_DEBUG_BYTES:
                raise ValueError("it is larger than it says")
            yield piece
    except Exception as problem:  # each decompressor has an error class of its own
        raise SymbolError(
            f"{elf.path} has a debug section that cannot be unpacked ({problem}); give an undamaged copy"
        ) from problem


def _zlib(packed: Iterator[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    for piece in packed:
        rest = piece
        while rest and not unpacker.eof:
            yield unpacker.decompress(rest, _CHUNK_BYTES)
            rest = unpacker.unconsumed_tail
    yield unpacker.flush()


def _zstd(packed: Iterator[bytes]) -> Iterator[bytes]:
    import zstandard

    unpacker = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj(read_across_frames=True)
    for piece in packed:
        yield unpacker.decompress(piece)


def _units(elf: Elf, section: Section) -> Iterator[_Unit]:
    """Walk from unit to unit by their lengths, as libdw does."""
    is_packed = section.flags & _SHF_COMPRESSED or section.name.startswith(".z")
    found = _packed_units(_pieces(elf, section)) if is_packed else _plain_units(elf, section)
    most = MAX_MODULE_UNITS if elf.kind == ET_REL else MAX_UNITS
    for number, unit in enumerate(found):
        if number >= most:
            raise SymbolError(f"{elf.path} is not decoded: its DWARF has more than {most} units")
        yield unit


def _plain_units(elf: Elf, section: Section) -> Iterator[_Unit]:
    at = 0
    while at < section.size_bytes:
        wanted = min(_HEADER_BYTES, section.size_bytes - at)
        unit = _unit(os.pread(elf.descriptor, wanted, section.offset + at).ljust(_HEADER_BYTES, b"\0"), at)
        yield unit
        at = unit.end


def _packed_units(pieces: Iterator[bytes]) -> Iterator[_Unit]:
    held, base, at = b"", 0, 0
    for piece in chain(pieces, [bytes(_HEADER_BYTES)]):  # the last unit may be shorter than a header
        held += piece
        while at + _HEADER_BYTES <= base + len(held):
            unit = _unit(held[at - base : at - base + _HEADER_BYTES], at)
            yield unit
            at = unit.end
        dropped = min(at - base, len(held))
        held, base = held[dropped:], base + dropped


def _unit(head: bytes, start: int) -> _Unit:
    (length,) = struct.unpack_from("<I", head)
    is_long = length == _LONG
    if is_long:
        (length,) = struct.unpack_from("<Q", head, 4)
    after = 12 if is_long else 4
    version, kind = struct.unpack_from("<HB", head, after)
    # Before DWARF 5 the place of the abbreviations follows the version, since then type and address size do.
    offset_at = start + after + (4 if version >= 5 else 2)
    return _Unit(start, start + after + length, offset_at, 8 if is_long else 4, version, kind)


def _has_old_name(elf: Elf) -> bool:
    for section in elf.sections:
        if _plain_name(section) == _ABBREVIATIONS:
            last = b""
            for piece in _pieces(elf, section):
                if _OLD_NAME.search(last + piece):
                    return True
                last = piece[-12:]
    return False


def _refuse_relocated(elf: Elf, index: int, units: Sequence[_Unit]) -> None:
    """Refuse a relocation that changes a unit's header but for the place of its abbreviations, or these."""
    if elf.kind != ET_REL:
        return
    room = _room_bytes(units)
    for section in elf.sections:
        entry_bytes = _RELOCATION_BYTES.get(section.kind)
        if entry_bytes is None or section.info >= len(elf.sections):
            continue
        is_of_abbreviations = _plain_name(elf.sections[section.info]) == _ABBREVIATIONS
        if is_of_abbreviations or (
            section.info == index and _reaches_into(elf.content(section), entry_bytes, room)
        ):
            raise SymbolError(
                f"{elf.path} is a damaged ELF file (a relocation changes how its DWARF is read); "
                "give an undamaged copy"
            )


def _room_bytes(units: Sequence[_Unit]) -> dict[int, int]:
    """Say how many bytes a relocation may fill at each place in and right before the units' headers."""
    room: dict[int, int] = {}
    for unit in units:
        room |= {unit.start - ahead: ahead for ahead in range(1, 8)}
    for unit in units:
        room |= dict.fromkeys(range(unit.start, unit.offset_at), 0)
    return room


def _reaches_into(content: bytes, entry_bytes: int, room: Mapping[int, int]) -> bool:
    numbers = array("Q")
    numbers.frombytes(content[: len(content) // entry_bytes * entry_bytes])
    places, kinds = numbers[0 :: entry_bytes // 8], numbers[1 :: entry_bytes // 8]
    return any(
        room[place] < _SIZES_BYTES.get(kinds[row] & 0xFFFFFFFF, 8)
        for row, place in enumerate(places)
        if place in room
    )
