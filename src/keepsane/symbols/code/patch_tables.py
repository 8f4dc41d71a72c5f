# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which bytes of the kernel's text may differ at run time from the file, by the file's own tables.

    .altinstructions  .parainstructions  .smp_locks       CPU features, paravirtualisation, one CPU only
    .retpoline_sites  .return_sites  .call_sites          mitigations of speculation
    .ibt_endbr_seal  .cfi_sites                           control flow integrity
    __mcount_loc                                          function tracing: a call at every function's entry
    __jump_table  .static_call_sites  runtime_ptr_*       switches and constants patched into the code

In vmlinux an entry is an address or a distance from itself; three tables lie inside other sections there,
between symbols. In a `.ko` the entries are empty and the relocations say what they will hold. The forms of
an entry are told apart by shape: the one whose size divides the table's and whose places all lie in text.

Source: arch/x86/kernel/alternative.c; arch/x86/include/asm/alternative.h, struct alt_instr;
arch/x86/include/asm/paravirt_types.h, struct paravirt_patch_site; arch/arm64/include/asm/alternative.h;
include/linux/jump_label.h, struct jump_entry; include/linux/static_call_types.h, struct static_call_site;
arch/x86/include/asm/runtime-const.h; tools/objtool/check.c (as of 6.12).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from keepsane.symbols.binary.elf import EM_AARCH64, EM_X86_64, SHT_NOBITS, Elf, Section
from keepsane.symbols.binary.symtab import SymbolTable

_SAMPLED_ENTRIES = 64
_RELA = struct.Struct("<QQq")
_LONGEST_SITE_BYTES = 64
_MOST_NESTED = 4
_STATIC_CALL_TRAMPOLINE = b"\x0f\xb9\xcc"  # its signature, behind the five bytes of the jump
_PADDING = b"\x90" * 8


class PatchSite(NamedTuple):
    """Bytes that may differ at run time; `table` says why, `entry` is the index of its entry there."""

    address: int
    size_bytes: int
    table: str
    entry: int


class _Form(NamedTuple):
    """
    One form of a table's entries. The place comes first, as a signed distance from itself or an address.

    `size` is how many bytes are patched: a number, `at N` byte N of the entry, or what the code shows.
    """

    entry_bytes: int
    place: Literal["distance", "address"]
    size: int | Literal["branch", "jump label"]
    size_at: int | None = None


@dataclass(frozen=True, slots=True)
class PatchTable:
    """
    One table: its bytes, read from `address`.

    `relocated` holds the place of each entry of a module's table, None where the bytes say it.
    """

    name: str
    form: _Form
    address: int
    content: bytes
    relocated: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class PatchTables:
    """All tables of a file; `unread` names those whose form is not known."""

    tables: tuple[PatchTable, ...]
    unread: tuple[str, ...]


class _Known(NamedTuple):
    name: str
    start: str | None
    stop: str | None
    forms: tuple[_Form, ...]


_X86_TABLES = (
    _Known(
        ".altinstructions",
        None,
        None,
        # With 32 bit flags since 6.3; before, 16 bit ones, up to 5.12 followed by a padlen.
        (
            _Form(14, "distance", 0, size_at=12),
            _Form(12, "distance", 0, size_at=10),
            _Form(13, "distance", 0, size_at=10),
        ),
    ),
    _Known(".parainstructions", None, None, (_Form(16, "address", 0, size_at=9),)),
    _Known(".smp_locks", None, None, (_Form(4, "distance", 1),)),
    _Known(".retpoline_sites", None, None, (_Form(4, "distance", "branch"),)),
    _Known(".return_sites", None, None, (_Form(4, "distance", "branch"),)),
    _Known(".call_sites", None, None, (_Form(4, "distance", "branch"),)),
    _Known(".ibt_endbr_seal", None, None, (_Form(4, "distance", 4),)),
    _Known(".cfi_sites", None, None, (_Form(4, "distance", 20),)),
    _Known("__mcount_loc", "__start_mcount_loc", "__stop_mcount_loc", (_Form(8, "address", 5),)),
    _Known(
        "__jump_table",
        "__start___jump_table",
        "__stop___jump_table",
        (_Form(16, "distance", "jump label"), _Form(24, "address", "jump label")),
    ),
    _Known(
        ".static_call_sites",
        "__start_static_call_sites",
        "__stop_static_call_sites",
        (_Form(8, "distance", "branch"),),
    ),
    _Known("__patchable_function_entries", None, None, (_Form(8, "address", 16),)),
)
_ARM64_TABLES = (
    _Known(".altinstructions", None, None, (_Form(12, "distance", 0, size_at=10),)),
    _Known("__mcount_loc", "__start_mcount_loc", "__stop_mcount_loc", (_Form(8, "address", 8),)),
    _Known("__patchable_function_entries", None, None, (_Form(8, "address", 8),)),
    _Known("__jump_table", "__start___jump_table", "__stop___jump_table", (_Form(16, "distance", 4),)),
)
_TABLES = {EM_X86_64: _X86_TABLES, EM_AARCH64: _ARM64_TABLES}
_RUNTIME_CONSTANTS = {
    EM_X86_64: (("runtime_ptr_", 8), ("runtime_shift_", 1)),
    EM_AARCH64: (("runtime_ptr_", 16), ("runtime_shift_", 4)),
}


def read_patch_tables(elf: Elf, symbols: SymbolTable) -> PatchTables:
    """
    Read every table of what may be patched; a file or architecture without such tables has none.

    The addresses are those of `symbols`: as linked, or for a module as it was laid out.
    """
    tables, unread = [], []
    marks = _marks(symbols, [mark for known in _TABLES.get(elf.machine, ()) for mark in known[1:3] if mark])
    for known in (*_TABLES.get(elf.machine, ()), *_runtime_constants(elf)):
        raw = _raw_table(elf, symbols, known, marks)
        if raw is not None and raw[1]:
            table = _read_table(elf, symbols, known, *raw)
            if table is None:
                unread.append(known.name)
            else:
                tables.append(table)
    return PatchTables(tuple(tables), tuple(unread))


def patch_sites(patches: PatchTables, start: int, code: bytes, context: int) -> tuple[PatchSite, ...]:
    """
    List the sites that overlap `code[context:-context]`, in the order of their addresses.

    `code` are bytes of the file from address `start` on, with `context` more at both ends than are asked
    for, because a site's length may only show in its bytes. Sites overlap each other where a replacement is
    replaced again. Besides the tables' sites there are static call trampolines and padding, seen by shape.
    """
    low, high = start + context, start + len(code) - context
    found = [*_table_sites(patches, start, code, high), *_shaped_sites(start, code)]
    return tuple(
        sorted(site for site in found if site.address < high and site.address + site.size_bytes > low)
    )


def _table_sites(patches: PatchTables, start: int, code: bytes, high: int) -> Iterator[PatchSite]:
    for table in patches.tables:
        for entry, place in _entries(table, start - _LONGEST_SITE_BYTES, high):
            its_code = code[place - start :] if place >= start else b""
            yield PatchSite(place, _size_bytes(table, entry, its_code), table.name, entry)


def table_sites(table: PatchTable, low: int, high: int) -> Iterator[PatchSite]:
    """List the sites of a table whose entries say their length, from address `low` up to `high`."""
    for entry, place in _entries(table, low, high):
        yield PatchSite(place, _size_bytes(table, entry, b""), table.name, entry)


def same_place(table: PatchTable, site: PatchSite) -> Iterator[PatchSite]:
    """List the sites of neighbouring entries for one place: nested alternatives follow each other."""
    entries = len(table.content) // table.form.entry_bytes
    for entry in range(max(site.entry - _MOST_NESTED, 0), min(site.entry + _MOST_NESTED + 1, entries)):
        if _place(table, entry) == site.address:
            yield PatchSite(site.address, _size_bytes(table, entry, b""), table.name, entry)


def _place(table: PatchTable, entry: int) -> int:
    if table.relocated is not None:
        return table.relocated[entry]
    at = entry * table.form.entry_bytes
    is_address = table.form.place == "address"
    value = int.from_bytes(table.content[at : at + (8 if is_address else 4)], "little", signed=not is_address)
    return value if is_address else table.address + at + value


def _size_bytes(table: PatchTable, entry: int, code: bytes) -> int:
    form = table.form
    if form.size_at is not None:
        return table.content[entry * form.entry_bytes + form.size_at]
    if form.size == "branch":
        return _branch_bytes(code)
    if form.size == "jump label":
        return 2 if code[:1] == b"\xeb" or code[:2] == b"\x66\x90" else 5
    return form.size


def _branch_bytes(code: bytes) -> int:
    """Length of a call, jump or conditional jump to a 32 bit distance, with its prefix."""
    prefix = 1 if code[:1] == b"\x2e" else 0
    return prefix + (5 if code[prefix : prefix + 1] in (b"\xe8", b"\xe9") else 6)


def _shaped_sites(start: int, code: bytes) -> Iterator[PatchSite]:
    position = code.find(_STATIC_CALL_TRAMPOLINE)
    while position >= 0:
        yield PatchSite(start + position - 5, 5, "static call trampoline", 0)
        position = code.find(_STATIC_CALL_TRAMPOLINE, position + 1)
    position = code.find(_PADDING)
    while position >= 0:
        # Call depth tracking and FineIBT write in front of a function.
        end = len(code) - len(code[position:].lstrip(b"\x90"))
        yield PatchSite(start + position, end - position, "padding", 0)
        position = code.find(_PADDING, end)


def _runtime_constants(elf: Elf) -> Iterator[_Known]:
    for prefix, size_bytes in _RUNTIME_CONSTANTS.get(elf.machine, ()):
        for section in elf.sections:
            if section.name.startswith(prefix):
                yield _Known(section.name, None, None, (_Form(4, "distance", size_bytes),))


def bytes_at(elf: Elf, symbols: SymbolTable, address: int, size_bytes: int) -> bytes:
    """
    The file's bytes from an address on: of one section, so fewer than asked where it ends, none outside.

    A module's bytes are those before relocation.
    """
    for start, section in zip(symbols.section_addresses, elf.sections, strict=True):
        if start and start <= address < start + section.size_bytes and section.kind != SHT_NOBITS:
            left_bytes = start + section.size_bytes - address
            offset = section.offset + address - start
            return os.pread(elf.descriptor, min(size_bytes, left_bytes), offset)
    return b""


def _raw_table(
    elf: Elf, symbols: SymbolTable, known: _Known, marks: dict[str, int]
) -> tuple[int, bytes, Section | None] | None:
    """The address, the bytes and the relocations of a table, None where the file has none."""
    for index, section in enumerate(elf.sections):
        if section.name == known.name:
            relocations = elf.section(f".rela{section.name}") if symbols.relocatable else None
            return symbols.section_addresses[index], elf.content(section), relocations
    start, stop = marks.get(known.start or "", 0), marks.get(known.stop or "", 0)
    return (start, bytes_at(elf, symbols, start, stop - start), None) if stop > start else None


def _read_table(
    elf: Elf, symbols: SymbolTable, known: _Known, address: int, content: bytes, relocations: Section | None
) -> PatchTable | None:
    for form in known.forms:
        if len(content) % form.entry_bytes:
            continue
        places = None
        if relocations is not None:
            places = _relocated_places(symbols, elf.content(relocations), form, len(content))
        table = PatchTable(known.name, form, address, content, places)
        if _is_form(elf, symbols, table):
            return table
    return None


def _entries(table: PatchTable, low: int, high: int) -> list[tuple[int, int]]:
    """The entries, with their places, that lie from `low` up to `high`."""
    if table.relocated is not None:
        return [(entry, place) for entry, place in enumerate(table.relocated) if low <= place < high]
    step, address, values = table.form.entry_bytes, table.address, _values(table)
    if table.form.place == "address":
        return [(entry, value) for entry, value in enumerate(values) if low <= value < high]
    # Two steps for speed: a table has up to a quarter million entries, and few of them pass the first.
    first, last = low - address - len(table.content), high - address
    near = [
        (entry, address + entry * step + value) for entry, value in enumerate(values) if first <= value < last
    ]
    return [(entry, place) for entry, place in near if low <= place < high]


def _values(table: PatchTable) -> list[int]:
    """What stands at the start of each entry: a distance or an address."""
    step = table.form.entry_bytes
    if table.form.place == "address":
        return memoryview(table.content).cast("Q").tolist()[:: step // 8]
    if step % 4 == 0:
        return memoryview(table.content).cast("i").tolist()[:: step // 4]
    return [head for (head,) in _packed(step).iter_unpack(table.content)]


def _packed(entry_bytes: int) -> struct.Struct:
    return struct.Struct(f"<i{entry_bytes - 4}x")


def _relocated_places(
    symbols: SymbolTable, relocations: bytes, form: _Form, size_bytes: int
) -> tuple[int, ...]:
    # What a distance or an address will hold points at symbol + addend; only which of the two differs.
    places = [0] * (size_bytes // form.entry_bytes)
    for offset, info, addend in _RELA.iter_unpack(relocations[: len(relocations) // _RELA.size * _RELA.size]):
        if offset % form.entry_bytes == 0 and offset < size_bytes and info >> 32 < len(symbols.addresses):
            places[offset // form.entry_bytes] = symbols.addresses[info >> 32] + addend
    return tuple(places)


def _is_form(elf: Elf, symbols: SymbolTable, table: PatchTable) -> bool:
    """
    Whether the places of the first and the last entries lie in text.

    Entries of 0 have no place: kernels since 6.15, and stable ones, sort the weak functions they drop from
    __mcount_loc to its front, and .smp_locks is filled up to a page.
    """
    sample = [*_places(table, 0, _SAMPLED_ENTRIES), *_places(table, -_SAMPLED_ENTRIES, None)]
    texts = [
        range(address, address + section.size_bytes)
        for address, section in zip(symbols.section_addresses, elf.sections, strict=True)
        if section.is_text and address
    ]
    return bool(sample) and all(any(place in text for text in texts) for place in sample)


def _places(table: PatchTable, first: int, last: int | None) -> list[int]:
    if table.relocated is not None:
        return [place for place in table.relocated[first:last] if place]
    step = table.form.entry_bytes
    starts = range(table.address, table.address + len(table.content), step)[first:last]
    part = table.content[starts.start - table.address : starts.stop - table.address]
    values = _values(replace(table, content=part))
    if table.form.place == "address":
        return [value for value in values if value]
    return [start + value for start, value in zip(starts, values, strict=True) if value]


def _marks(symbols: SymbolTable, names: Sequence[str]) -> dict[str, int]:
    """The values of symbols that only mark a place; a module has none of these."""
    if symbols.relocatable:
        return {}
    heads, marks = symbols.heads.tobytes(), {}
    for name in names:
        value = next((symbols.addresses[row] for row in _rows(symbols.strings, heads, name.encode())), None)
        if value is not None:
            marks[name] = value
    return marks


def _rows(strings: bytes, heads: bytes, name: bytes) -> Iterator[int]:
    """The rows of a name: the linker may store it as the end of a longer one."""
    offset = strings.find(name + b"\0")
    while offset >= 0:
        wanted = struct.pack("<I", offset)
        position = heads.find(wanted)
        while position >= 0:
            if position % 8 == 0:
                yield position // 8
            position = heads.find(wanted, position + 1)
        offset = strings.find(name + b"\0", offset + 1)
