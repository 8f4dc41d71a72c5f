# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which tables of function pointers hold a function, and which of them a call read.

A table is said to be the one that was used where the code names its address, be it as the start of a loop,
or where the member stands at the offset that the call loaded, a variable there leads to a structure of its
type, only one table holds the function there, and no code takes its address: that may fill in another table
at run time. Otherwise it could be.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from keepsane.symbols.calls.members import Member, Types, member_at, way_to
from keepsane.symbols.calls.objects import (
    Data,
    Variable,
    places_holding,
    pointer_at,
    positions_of_number,
    variable_at,
)
from keepsane.symbols.calls.pointer import Pointer
from keepsane.symbols.code.text import (
    Function,
    Place,
    Text,
    function_at,
    instructions,
    start_of,
)

_MAX_ENTRIES = 2048
_LISTS = ("_kbl_addr_", "_eil_addr_", "__addressable_", "__UNIQUE_ID_", "__initcall_", "__param_", "__SCK__")
_TEXT_SECTIONS = (".text", ".init.text")


class Holder(NamedTuple):
    """A place of data that holds a function; `member` is None where no DWARF says which one it is."""

    place: Place
    variable: Variable
    member: Member | None

    @property
    def name(self) -> str:
        """Name the place as C writes it."""
        offset_bytes = (self.place.address or 0) - self.variable.address
        path = self.member.path if self.member else (f"+{offset_bytes:#x}" if offset_bytes else "")
        return self.variable.name + path


class Found(NamedTuple):
    """
    The table that a call read, None where it is not certain, and all those it could be.

    `is_member` says that each of those has the function at the offset that the call loaded: which one was
    read is open then, and which member is not.
    """

    used: Holder | None
    possible: tuple[Holder, ...]
    is_member: bool = False


class Site(NamedTuple):
    """A call or jump through a pointer, and where that was loaded from."""

    inside: Function
    address: int
    pointer: Pointer


@dataclass(slots=True)
class Tables:
    """The tables of the images, looked up once for each function."""

    text: Text
    data: Data
    types: Types
    held: dict[Function, tuple[Holder, ...]] = field(default_factory=dict)
    taken: dict[Function, tuple[tuple[Function, int], ...]] = field(default_factory=dict)


def open_tables(text: Text) -> Tables:
    """Prepare to look tables up."""
    return Tables(text, Data(text), Types(text))


def holders(tables: Tables, function: Function) -> tuple[Holder, ...]:
    """List the places of data that hold a function's address."""
    if function not in tables.held:
        tables.held[function] = tuple(_holders(tables, function))
    return tables.held[function]


def _holders(tables: Tables, function: Function) -> Iterator[Holder]:
    places = places_holding(tables.data, function)

    def files() -> Sequence[str]:
        return files_of(tables.text, function)

    for place in places:
        variable = variable_at(tables.data, place)
        if variable is not None and not variable.name.startswith(_LISTS):
            offset_bytes = (place.address or 0) - variable.address
            member = member_at(tables.types, variable, offset_bytes, function, files)
            yield Holder(place, variable, member)


def files_of(text: Text, function: Function) -> Sequence[str]:
    """Name the source file in which a function stands."""
    chain = text.images[function.module].locate([function.address])[function.address]
    return [line.file for line in chain[-1:] if line.file]


def tables_read(tables: Tables, function: Function, site: Site) -> Found:
    """Say which table a call that led to this function read, going by where its pointer was loaded from."""
    possible, pointer = holders(tables, function), site.pointer
    if pointer.fixed is not None:
        fixed = [table for table in possible if _is_read(tables, table, pointer)]
        return Found(fixed[0] if len(fixed) == 1 else None, tuple(fixed))
    walked = _walked(tables, possible, pointer)
    fitting = walked or [table for table in possible if _fits(table, pointer)]
    # What code hands over may stand at that offset of a structure that is filled in at run time.
    if len(fitting) == 1 and (
        walked or (_is_of_type(tables, fitting[0], site) and not taken_in(tables, function))
    ):
        return Found(fitting[0], ())
    return Found(None, tuple(fitting or possible), is_member=bool(fitting))


def _is_of_type(tables: Tables, holder: Holder, site: Site) -> bool:
    """
    Say whether a variable at the call leads to a structure of the holder's type by the offsets loaded.

    Where none does the type is not known: what the variables lead to need not be what was called.
    """
    structures = structures_of([holder], site.pointer)
    way = way_to(tables.types, site.inside.module, site.address, site.pointer, structures)
    return bool(structures) and way is not None


def structures_of(holders: Sequence[Holder], pointer: Pointer) -> frozenset[str]:
    """Name the structures in which the member of these tables stands at the offset that was loaded."""
    members = [holder.member for holder in holders if holder.member is not None]
    pairs = [pair for member in members for pair in zip(member.structures, member.offsets_bytes, strict=True)]
    return frozenset(name for name, offset_bytes in pairs if name and offset_bytes == pointer.displacement)


def _fits(holder: Holder, pointer: Pointer) -> bool:
    """Say whether the member that holds a function stands at the offset that was loaded."""
    offsets_bytes = holder.member.offsets_bytes if holder.member else ()
    if pointer.displacement is None or not pointer.step_bytes:
        return pointer.displacement in offsets_bytes
    return any((by - pointer.displacement) % pointer.step_bytes == 0 for by in offsets_bytes)


def _walked(tables: Tables, possible: Sequence[Holder], pointer: Pointer) -> tuple[Holder, ...]:
    """
    List the places that a loop over an array may come to.

    The compiler may let it begin one step outside of the array, so what lies there is meant as well. Where it
    begins at what is too small for two steps, the linker may have made an array of single variables.
    """
    step_bytes = pointer.step_bytes
    if pointer.start is None or pointer.start.address is None or not step_bytes:
        return ()
    start = pointer.start.address
    near = (pointer.start._replace(address=start + by) for by in (0, -step_bytes, step_bytes))
    first, *others = (variable_at(tables.data, place) for place in near)
    if first is None or first.size_bytes < 2 * step_bytes:
        return ()
    read = start + (pointer.displacement or 0)
    return tuple(
        table
        for table in possible
        if table.variable in (first, *others) and ((table.place.address or 0) - read) % step_bytes == 0
    )


def _is_read(tables: Tables, holder: Holder, pointer: Pointer) -> bool:
    if not pointer.indexed or pointer.fixed is None:
        return holder.place[:2] == (pointer.fixed or Place(None, None))[:2]
    return variable_at(tables.data, pointer.fixed) == holder.variable


def entries(tables: Tables, pointer: Pointer) -> list[tuple[Holder, Function]]:
    """List what an indexed table, named by the code, holds."""
    variable = variable_at(tables.data, pointer.fixed) if pointer.fixed is not None else None
    if variable is None or not pointer.indexed:
        return []
    found = []
    for at in range(variable.address, variable.address + min(variable.size_bytes, 8 * _MAX_ENTRIES), 8):
        target = pointer_at(tables.data, Place(variable.module, at))
        function = function_at(tables.text, target) if target is not None else None
        if function is not None:
            path = f"[{(at - variable.address) // 8}]"
            found.append((Holder(Place(variable.module, at), variable, Member(path, ())), function))
    return found


def taken_in(tables: Tables, function: Function) -> tuple[tuple[Function, int], ...]:
    """List where code takes the address of a function: the function that does so, and the instruction."""
    if function not in tables.taken:
        tables.taken[function] = tuple(_taken(tables, function))
    return tables.taken[function]


def _taken(tables: Tables, function: Function) -> Iterator[tuple[Function, int]]:
    for place in _mentions(tables, function):
        inside = function_at(tables.text, place)
        insns = instructions(tables.text, inside) if inside is not None else ()
        for insn in insns:
            if inside is not None and insn.address <= (place.address or 0) < insn.end and not insn.flow:
                yield inside, insn.address


def _mentions(tables: Tables, function: Function) -> Iterator[Place]:
    if function.module is not None:
        from keepsane.symbols.code.text import references_of

        for at, reference in references_of(tables.text, function.module).items():
            where = reference.place._replace(address=(reference.place.address or 0) + reference.addend_bytes)
            if where == start_of(function) and not reference.is_distance:
                yield Place(function.module, at)
        return
    image = tables.text.images[None]
    wanted = struct.pack("<I", function.address & 0xFFFFFFFF)
    for section in image.elf.sections:
        if section.name in _TEXT_SECTIONS:
            content = tables.data.code_of(section)
            for at in positions_of_number(tables.data.numbers_of(section, content), wanted):
                yield Place(None, section.address + at)
