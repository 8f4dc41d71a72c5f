# SPDX-License-Identifier: GPL-2.0-or-later
"""
The symbol table of a vmlinux or module, with sizes as the running kernel counts them.

A trace prints `name+offset/size`, and the size is not the ELF one: it is the distance to the next symbol
that kallsyms knows. Source: kernel/kallsyms.c, get_symbol_pos(); kernel/module/kallsyms.c,
find_kallsyms_symbol(); scripts/mksysmap for the symbols kallsyms leaves out (as of 6.12).
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from keepsane.errors import SymbolError
from keepsane.symbols.binary.elf import ET_REL, SHF_ALLOC, SHT_SYMTAB, Elf, Section, name_at
from keepsane.symbols.binary.limits import MAX_STRTAB_BYTES, MAX_SYMTAB_BYTES

_MODULE_BASE = 0xFFFFFFFFC0000000
_PAGE_BYTES = 4096
_STT_SECTION, _STT_FILE = 3, 4
_SHN_LORESERVE = 0xFF00
_IGNORED = (b"$", b".L", b"L0", b"__crc_", b"__kstrtab_", b"__kstrtabns_", b"__ksymtab_", b"__efistub_")
_ADDRESS = (1 << 64) - 1
_PAGE_BITS = 16
_MAX_PAGES = 64
_MANY_NAMES = 30
_MANY_PLACES = 300


class Symbol(NamedTuple):
    """
    A function as kallsyms would print it.

    `size_bytes` counts up to the next symbol. Where `exact` is False it is the least the kernel may have
    printed: the last function of a module's section ends where the memory behind it ends.
    """

    name: str
    address: int
    size_bytes: int
    exact: bool
    section: str


@dataclass(slots=True, eq=False)
class SymbolTable:
    """
    Columns of `.symtab`, one entry per symbol: `heads` is the first eight bytes (name, type, section).

    `pages` holds the rows of each 64 KiB of addresses, once somebody asked for them: a trace of twelve
    frames touches a few pages and must not pay for sorting 180,000 symbols. `shown` has of them those that
    kallsyms knows.
    `section_addresses` is where each section stands: as linked, or for a module as `lay_out` put it.
    """

    sections: tuple[Section, ...]
    section_addresses: tuple[int, ...]
    heads: array[int]
    addresses: array[int]
    strings: bytes
    relocatable: bool
    name_offsets: array[int]
    pages: dict[int, list[int]] = field(default_factory=dict)
    has_all_pages: bool = False
    shown: dict[int, list[int]] = field(default_factory=dict)


def lay_out(sections: tuple[Section, ...]) -> tuple[int, ...]:
    """
    Give each loaded section of a module an address, text first, as the module loader orders it.

    Source: kernel/module/main.c, layout_sections(): core sections in file order by permission, then init.
    Unlike there, each section begins on a page of its own: where one ends, its line table has a last row that
    must not stand at the first address of the next one.
    """
    addresses = [0] * len(sections)
    position = _MODULE_BASE
    for in_region in (_is_core_text, _is_init_text, _is_other):
        for index, section in enumerate(sections):
            if in_region(section):
                align_bytes = max(section.align_bytes, 1)
                position = (position + align_bytes - 1) // align_bytes * align_bytes
                addresses[index] = position
                position = (position + section.size_bytes + _PAGE_BYTES) // _PAGE_BYTES * _PAGE_BYTES
    return tuple(addresses)


def _is_core_text(section: Section) -> bool:
    return section.is_text and not section.name.startswith(".init")


def _is_init_text(section: Section) -> bool:
    return section.is_text and section.name.startswith(".init")


def _is_other(section: Section) -> bool:
    return section.flags & SHF_ALLOC != 0 and not section.is_text


def read_symbols(elf: Elf) -> SymbolTable:
    """
    Read `.symtab`; a module's symbols get addresses by `lay_out`.

    Raises SymbolError where the file is stripped, or has more symbols than are read.
    """
    table = next((section for section in elf.sections if section.kind == SHT_SYMTAB), None)
    if table is None or table.link >= len(elf.sections):
        raise SymbolError(
            f"{elf.path} has no symbol table; give the file from the debug package, not a stripped one"
        )
    elf.refuse_larger(table, MAX_SYMTAB_BYTES)
    elf.refuse_larger(elf.sections[table.link], MAX_STRTAB_BYTES)
    raw = array("Q")
    content = elf.content(table)
    raw.frombytes(content[: len(content) // 24 * 24])
    relocatable = elf.kind == ET_REL
    places = lay_out(elf.sections) if relocatable else tuple(section.address for section in elf.sections)
    words = array("I")
    words.frombytes(content[: len(content) // 24 * 24])
    heads, values = raw[0::3], raw[1::3]
    addresses = _placed(heads, values, places) if relocatable else values
    strings = elf.content(elf.sections[table.link]) + b"\0"
    if words and max(words[0::6]) >= len(strings):
        raise SymbolError(
            f"{elf.path} is a damaged ELF file (a symbol's name is missing); give an undamaged copy"
        )
    return SymbolTable(elf.sections, places, heads, addresses, strings, relocatable, words[0::6])


def _placed(heads: array[int], values: array[int], places: tuple[int, ...]) -> array[int]:
    count = len(places)
    # An undefined or absolute symbol stands nowhere in the module.
    return array(
        "Q",
        [
            value + places[head >> 48] & _ADDRESS if 0 < head >> 48 < count and places[head >> 48] else 0
            for head, value in zip(heads, values, strict=True)
        ],
    )


def symbols_named(table: SymbolTable, names: Iterable[str]) -> dict[str, tuple[Symbol, ...]]:
    """Find every function of each name; one address appears once. A name that is not there has no entry."""
    wanted = {name.encode("utf-8", "surrogateescape") for name in names}
    if len(wanted) > _MANY_NAMES:
        read_pages(table)
        rows = _rows_by_scan(table, wanted)
    else:
        rows = _rows_by_search(table, wanted)
    found: dict[str, dict[int, Symbol]] = {}
    for row in rows:
        symbol = _symbol(table, row)
        if symbol is not None:
            found.setdefault(symbol.name, {}).setdefault(symbol.address, symbol)
    return {name: tuple(by_address.values()) for name, by_address in found.items()}


def names_starting(table: SymbolTable, prefix: str, most: int) -> tuple[str, ...]:
    """List the first names with this prefix, as LTO adds one: `do_one.llvm.` finds `do_one.llvm.12`."""
    wanted, names, position = b"\0" + prefix.encode("utf-8", "surrogateescape"), [], -1
    while (position := table.strings.find(wanted, position + 1)) >= 0:
        names.append(name_at(table.strings, position + 1).decode("utf-8", "replace"))
        if len(names) == most:
            break
    return tuple(names)


def _rows_by_scan(table: SymbolTable, wanted: set[bytes]) -> list[int]:
    strings, longest = table.strings, max(map(len, wanted)) + 1
    return [
        row
        for row, offset in enumerate(table.name_offsets)
        # A longer name fills the slice and is none of them; looking for its end would copy the table.
        if strings[offset : offset + longest].partition(b"\0")[0] in wanted
    ]


def _rows_by_search(table: SymbolTable, wanted: set[bytes]) -> list[int]:
    # A linker stores "foo" inside "__pfx_foo", so every place where the bytes end a string counts.
    low = table.name_offsets.tobytes()
    rows: list[int] = []
    places = 0
    for name in wanted:
        position = -1
        while (position := table.strings.find(name + b"\0", position + 1)) >= 0:
            places += 1
            if places > _MANY_PLACES:
                return _rows_by_scan(table, wanted)  # each place costs a walk over all symbols
            rows += _cells(low, struct.pack("<I", position), 4, 0)
    return sorted(rows)


def _cells(column: bytes, wanted: bytes, cell_bytes: int, at: int) -> list[int]:
    """List the cells of a column that hold these bytes at this place."""
    # From the end: the first byte of a little-endian number differs most, and rfind() skips by that one.
    rows, position = [], len(column)
    while (position := column.rfind(wanted, 0, position + len(wanted) - 1)) >= 0:
        if position % cell_bytes == at:
            rows.append(position // cell_bytes)
    return rows


def _section_of(table: SymbolTable, row: int) -> int | None:
    index = table.heads[row] >> 48
    return index if 0 < index < min(len(table.sections), _SHN_LORESERVE) else None


def _symbol(table: SymbolTable, row: int) -> Symbol | None:
    index = _section_of(table, row)
    if index is None or not table.sections[index].is_text or not _is_visible(table, row):
        return None
    address = table.addresses[row]
    name = name_at(table.strings, table.heads[row] & 0xFFFFFFFF).decode("utf-8", "replace")
    section = table.sections[index]
    section_end = table.section_addresses[index] + section.size_bytes
    following = next_symbol(table, address)
    if following is None or (table.relocatable and following >= section_end):
        return Symbol(name, address, max(section_end - address, 0), False, section.name)
    return Symbol(name, address, following - address, True, section.name)


def _is_visible(table: SymbolTable, row: int) -> bool:
    head = table.heads[row]
    if (head >> 32) & 0xF in (_STT_SECTION, _STT_FILE) or head >> 48 == 0:
        return False
    name = name_at(table.strings, head & 0xFFFFFFFF)
    return bool(name) and not name.startswith(_IGNORED)


def read_pages(table: SymbolTable) -> None:
    """Index all addresses at once: cheaper than page by page where many will be asked for."""
    if not table.has_all_pages:
        pages: defaultdict[int, list[int]] = defaultdict(list)
        for row, address in enumerate(table.addresses):
            pages[address >> _PAGE_BITS].append(row)
        for rows in pages.values():
            rows.sort(key=table.addresses.__getitem__)
        table.pages, table.has_all_pages = dict(pages), True


def _page(table: SymbolTable, page: int) -> list[int]:
    rows = table.pages.get(page)
    if rows is None:
        upper = struct.pack("<Q", page << _PAGE_BITS & _ADDRESS)[_PAGE_BITS // 8 :]
        found = [] if table.has_all_pages else _cells(table.addresses.tobytes(), upper, 8, _PAGE_BITS // 8)
        rows = table.pages[page] = sorted(sorted(found), key=table.addresses.__getitem__)
    return rows


def _shown(table: SymbolTable, page: int) -> list[int]:
    """The rows of a page that kallsyms knows: those it leaves out may be millions, and are tested once."""
    rows = table.shown.get(page)
    if rows is None:
        rows = table.shown[page] = [row for row in _page(table, page) if _is_visible(table, row)]
    return rows


def next_symbol(table: SymbolTable, address: int) -> int | None:
    """Find the next greater address at which kallsyms knows a symbol."""
    first = address >> _PAGE_BITS
    for page in range(first, first + _MAX_PAGES):
        rows = _shown(table, page)
        place = bisect_right(rows, address, key=table.addresses.__getitem__)
        if place < len(rows):
            return table.addresses[rows[place]]
    return None


def symbol_containing(table: SymbolTable, address: int) -> Symbol | None:
    """Find the function that contains an address: of several at one place the first, as kallsyms does."""
    start = _symbol_below(table, address)
    if start is None:
        return None
    rows = _shown(table, start >> _PAGE_BITS)
    row = rows[bisect_left(rows, start, key=table.addresses.__getitem__)]
    symbol = _symbol(table, row)
    return symbol if symbol and address < start + symbol.size_bytes else None


def _symbol_below(table: SymbolTable, address: int) -> int | None:
    last = address >> _PAGE_BITS
    for page in range(last, last - _MAX_PAGES, -1):
        rows = _shown(table, page)
        place = bisect_right(rows, address, key=table.addresses.__getitem__)
        if place:
            return table.addresses[rows[place - 1]]
    return None
