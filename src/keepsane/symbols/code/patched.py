# SPDX-License-Identifier: GPL-2.0-or-later
"""A file whose text is patched at run time, and what its bytes and tables say of one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from keepsane.symbols.binary.elf import Elf
from keepsane.symbols.binary.symtab import SymbolTable, symbol_containing
from keepsane.symbols.code.patch_tables import PatchSite, PatchTable, PatchTables, bytes_at
from keepsane.symbols.code.text import Reference, read_references

_LONGEST_RELOCATION_BYTES = 8


class Content(NamedTuple):
    """
    Bytes that may stand at a site.

    The positions in `free` hold what is only known at run time. `moved_bytes` is how much longer the
    distances in `data` are at the site than where the file has these bytes, 0 where they stand already.
    """

    data: bytes
    free: frozenset[int] = frozenset()
    moved_bytes: int = 0


@dataclass(slots=True)
class Patched:
    """A file and what was already read of it; of vmlinux, `references` stays empty."""

    elf: Elf
    symbols: SymbolTable
    patches: PatchTables
    references: dict[int, Reference] | None = None
    inner: tuple[PatchSite, ...] | None = None


def file_content(patched: Patched, address: int, size_bytes: int) -> Content:
    """Give what the file has there; what a module's relocations fill is free."""
    free = {
        at + byte - address
        for at in range(address - _LONGEST_RELOCATION_BYTES + 1, address + size_bytes)
        if (reference := references_of_file(patched).get(at)) is not None
        for byte in range(reference.size_bytes)
        if 0 <= at + byte - address < size_bytes
    }
    return Content(bytes_at(patched.elf, patched.symbols, address, size_bytes), frozenset(free))


def references_of_file(patched: Patched) -> dict[int, Reference]:
    """Give a module's relocations by address, read once; vmlinux has none that matter."""
    if patched.references is None:
        is_module = patched.symbols.relocatable
        patched.references = read_references("", patched.elf, patched.symbols) if is_module else {}
    return patched.references


def table_of(patched: Patched, site: PatchSite) -> PatchTable | None:
    """Find the table that a site comes from, None for one seen by its shape."""
    return next((table for table in patched.patches.tables if table.name == site.table), None)


def pointed(patched: Patched, table: PatchTable, at: int, size_bytes: int) -> int | None:
    """
    Give the address that a table's field says: of 4 bytes as a distance from itself, of 8 as it is.

    None where a module's relocation names a symbol of another file, or is missing.
    """
    if table.relocated is not None:
        reference = references_of_file(patched).get(table.address + at)
        if reference is None or reference.place.address is None:
            return None
        return reference.place.address + reference.addend_bytes
    value = int.from_bytes(table.content[at : at + size_bytes], "little", signed=size_bytes == 4)
    return table.address + at + value if size_bytes == 4 else value


def branch_target_name(patched: Patched, site: PatchSite, file: Content) -> str | None:
    """Name the function that the branch of a site leads to: its last four bytes are the distance."""
    end = site.address + len(file.data)
    if patched.symbols.relocatable:
        reference = references_of_file(patched).get(end - 4)
        return None if reference is None else reference.place.name or None
    symbol = symbol_containing(patched.symbols, end + int.from_bytes(file.data[-4:], "little", signed=True))
    return None if symbol is None else symbol.name
