# SPDX-License-Identifier: GPL-2.0-or-later
"""
Data of a vmlinux or module: which variable stands at an address, and where a function's address is held.

In vmlinux the data is searched for the address itself; in a `.ko` it is still zero, and the relocations say
what it will hold.
"""

from __future__ import annotations

import os
import re
import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from keepsane.symbols.binary.elf import SHF_ALLOC, SHT_NOBITS, SHT_SYMTAB, Section, name_at
from keepsane.symbols.binary.image import Image
from keepsane.symbols.code.text import Function, Place, Text, positions_of, references_of, symbols_of

_STT_OBJECT = 1
_SHF_WRITE = 1
_SYMBOL_BYTES = 24
_MAX_HELD = 200
_RELA_BYTES = 24
_NO_TABLES = (
    *(".orc", ".BTF", "__ksymtab", "__kcrctab", ".smp_locks", ".notes", "__bug_table", "__ex_table", ".alt"),
    *(
        ".return_sites",
        ".call_sites",
        ".retpoline_sites",
        "__mcount_loc",
        ".ibt_endbr",
        ".gnu",
        "__patchable",
    ),
    *("___srcu", "__tracepoints_ptrs", ".modinfo", "__versions", ".init_array", ".static_call"),
)


class Variable(NamedTuple):
    """A variable of the symbol table; `is_constant` says that it lies where the kernel never writes."""

    module: str | None
    name: str
    address: int
    size_bytes: int
    is_constant: bool


@dataclass(slots=True)
class Data:
    """The data of the images: variables by address, and the bytes, read once."""

    text: Text
    variables: dict[str | None, tuple[list[int], list[int]]] = field(default_factory=dict)
    contents: dict[str | None, list[tuple[int, Section, bytes]]] = field(default_factory=dict)
    code: dict[str, bytes] = field(default_factory=dict)
    numbers: dict[str, Numbers] = field(default_factory=dict)

    def numbers_of(self, section: Section, content: bytes) -> Numbers:
        """Prepare to look for numbers in a section of vmlinux."""
        return self.numbers.setdefault(section.name, Numbers(content))

    def code_of(self, section: Section) -> bytes:
        """Give the bytes of a section of vmlinux, read once."""
        if section.name not in self.code:
            self.code[section.name] = self.text.images[None].elf.content(section)
        return self.code[section.name]

    def moved(self) -> bytes:
        """Give the relocations that vmlinux applies to itself, none where it is linked to its place."""
        image = self.text.images.get(None)
        section = image.elf.section(".rela.dyn") if image is not None else None
        return self.code_of(section) if section is not None else b""


def variable_at(data: Data, place: Place) -> Variable | None:
    """Find the variable around a place."""
    image = data.text.images.get(place.module)
    if image is None or place.address is None:
        return None
    if place.module not in data.variables:
        data.variables[place.module] = _variables(image)
    addresses, rows = data.variables[place.module]
    at = bisect_right(addresses, place.address)
    for index in range(at - 1, max(at - 9, -1), -1):
        found = _variable(place.module, image, rows[index])
        if found is not None and found.address <= place.address < found.address + found.size_bytes:
            return found
    return None


def _variables(image: Image) -> tuple[list[int], list[int]]:
    symbols = symbols_of(image)
    rows = [row for row, head in enumerate(symbols.heads) if head >> 32 & 0xF == _STT_OBJECT and head >> 48]
    rows.sort(key=symbols.addresses.__getitem__)
    return [symbols.addresses[row] for row in rows], rows


def _variable(module: str | None, image: Image, row: int) -> Variable | None:
    symbols = symbols_of(image)
    table = next(section for section in image.elf.sections if section.kind == SHT_SYMTAB)
    raw = os.pread(image.elf.descriptor, _SYMBOL_BYTES, table.offset + row * _SYMBOL_BYTES)
    index = symbols.heads[row] >> 48
    if len(raw) < _SYMBOL_BYTES or index >= len(symbols.sections):
        return None
    (size_bytes,) = struct.unpack_from("<Q", raw, 16)
    name = name_at(symbols.strings, symbols.name_offsets[row]).decode("utf-8", "replace")
    constant = not symbols.sections[index].flags & _SHF_WRITE
    return Variable(module, name, symbols.addresses[row], size_bytes, constant)


def places_holding(data: Data, function: Function) -> list[Place]:
    """List where data of vmlinux or of a module holds the address of a function."""
    found = []
    for module in data.text.images:
        if module is not None:
            found += list(_related(data.text, module, function))
        elif function.module is None:
            found += [*_scanned(data, function), *_moved_with_the_kernel(data, function)]
    return found[:_MAX_HELD]


def _related(text: Text, module: str, function: Function) -> Iterator[Place]:
    for at, reference in references_of(text, module).items():
        target = reference.place
        is_it = target.name == function.name and target.address is None and function.module is None
        if target.address is not None and not reference.is_distance:
            is_it = (target.module, target.address + reference.addend_bytes) == (
                function.module,
                function.address,
            )
        if is_it and _is_data(text.images[module], at):
            yield Place(module, at)


def _is_data(image: Image, address: int) -> bool:
    symbols = symbols_of(image)
    for start, section in zip(symbols.section_addresses, symbols.sections, strict=True):
        if start and start <= address < start + section.size_bytes:
            return _may_hold_tables(section)
    return False


def _may_hold_tables(section: Section) -> bool:
    loaded = section.flags & SHF_ALLOC and not section.is_text and section.kind != SHT_NOBITS
    return bool(loaded) and not section.name.startswith(_NO_TABLES)


def _scanned(data: Data, function: Function) -> Iterator[Place]:
    wanted = struct.pack("<Q", function.address)
    for start, section, content in contents_of(data, None):
        for at in positions_of_number(data.numbers_of(section, content), wanted):
            if at % 8 == 0:
                yield Place(None, start + at)


def _moved_with_the_kernel(data: Data, function: Function) -> Iterator[Place]:
    """An arm64 kernel is relocated by itself when it starts: what its data will hold stands in a table."""
    wanted, content = struct.pack("<Q", function.address), data.moved()
    for position in positions_of(content, wanted):
        if position % _RELA_BYTES == 16:
            (place,) = struct.unpack_from("<Q", content, position - 16)
            yield Place(None, place)


def contents_of(data: Data, module: str | None) -> list[tuple[int, Section, bytes]]:
    """Read the data sections of an image: address, section and bytes of each."""
    if module not in data.contents:
        image = data.text.images[module]
        symbols = symbols_of(image)
        data.contents[module] = [
            (start, section, image.elf.content(section))
            for start, section in zip(symbols.section_addresses, symbols.sections, strict=True)
            if start and _may_hold_tables(section)
        ]
    return data.contents[module]


def pointer_at(data: Data, place: Place) -> Place | None:
    """Read the pointer that the file holds at a place of data, None where it holds none."""
    if place.address is None or place.module not in data.text.images:
        return None
    if place.module is not None:
        reference = references_of(data.text, place.module).get(place.address)
        if reference is None or reference.place.address is None:
            return reference.place if reference is not None else None
        return Place(place.module, reference.place.address + reference.addend_bytes)
    moved = data.moved()
    for position in positions_of(moved, struct.pack("<Q", place.address)):
        if position % _RELA_BYTES == 0:
            return Place(None, struct.unpack_from("<Q", moved, position + 16)[0])
    for start, _, content in contents_of(data, None):
        if start <= place.address <= start + len(content) - 8:
            (value,) = struct.unpack_from("<Q", content, place.address - start)
            return Place(None, value) if value else None
    return None


def is_null_at(data: Data, place: Place) -> bool:
    """Say whether a file has a null pointer at a place of data, which no relocation fills either."""
    address = place.address
    if address is None or place.module not in data.text.images or pointer_at(data, place) is not None:
        return False
    return any(
        content[address - start : address - start + 8] == bytes(8)
        for start, _, content in contents_of(data, place.module)
        if start <= address
    )


_LOW_BYTES = 3
_MAX_SEARCHES = 4


@dataclass(slots=True, eq=False)
class Numbers:
    """`searches` counts them by the high bytes, `listed` has the ends of the numbers and the numbers."""

    content: bytes
    searches: dict[bytes, int] = field(default_factory=dict)
    listed: dict[bytes, tuple[list[int], bytes]] = field(default_factory=dict)


def positions_of_number(numbers: Numbers, wanted: bytes) -> Iterator[int]:
    """Give every place of a little-endian number of at least four bytes, the last first."""
    high, size = wanted[_LOW_BYTES:], len(wanted)
    numbers.searches[high] = numbers.searches.get(high, 0) + 1
    if numbers.searches[high] <= _MAX_SEARCHES:
        yield from positions_of(numbers.content, wanted)
        return
    if high not in numbers.listed:
        numbers.listed[high] = _listed(numbers.content, high, size)
    ends, values = numbers.listed[high]
    for position in positions_of(values, wanted):
        if position % size == 0:
            yield ends[position // size] - size


def _listed(content: bytes, high: bytes, size: int) -> tuple[list[int], bytes]:
    # Lookahead, since high bytes that are all the same may begin inside others.
    first, *rest = (bytes([byte]) for byte in high)
    pattern = re.compile(re.escape(first) + b"(?=" + re.escape(b"".join(rest)) + b")", re.DOTALL)
    starts = (found.start() for found in pattern.finditer(content))
    ends = [start + len(high) for start in starts if start >= _LOW_BYTES]
    return ends, b"".join([content[end - size : end] for end in ends])
