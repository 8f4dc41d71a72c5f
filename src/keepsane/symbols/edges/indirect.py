# SPDX-License-Identifier: GPL-2.0-or-later
"""
A call through a pointer: which table did it read, which function stood there, and did that one jump on?

A function that is reached through a pointer may have been called itself, or by a jump of another function
whose address was read: both are looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from keepsane.model import HopKind
from keepsane.symbols.binary.elf import EM_AARCH64
from keepsane.symbols.calls.calls import Branch
from keepsane.symbols.calls.jumpers import jumpers
from keepsane.symbols.calls.jumps import Chains, chains, may_reach
from keepsane.symbols.calls.members import expression_of
from keepsane.symbols.calls.objects import variable_at
from keepsane.symbols.calls.pointer import Pointer
from keepsane.symbols.calls.pointer_origin import pointer_of
from keepsane.symbols.calls.tables import Found, Holder, Site, entries, structures_of, tables_read, taken_in
from keepsane.symbols.code.text import Function, Place
from keepsane.symbols.edges.draft import (
    LISTED,
    Draft,
    DraftHop,
    Reader,
    any_of,
    not_listed,
    of_words,
    steps_of,
)
from keepsane.words import counted

_MAX_JUMPS_BACK = 4
_MAX_BEFORE = 60


def judge_indirect(reader: Reader, caller: Function, branch: Branch, callee: Function | None) -> Draft:
    """Say how a call through a pointer led to a function, or without one only where the pointer is from."""
    pointer = pointer_of(reader.text, caller, branch.insn, branch.register)
    if callee is None:
        return Draft("indirect", (), f"a call through a pointer{_loaded(pointer)}")
    site = Site(caller, branch.insn.address, pointer)
    found = tables_read(reader.tables, callee, site)
    said = f"a call through {_source_of(reader, caller, branch, pointer, found)}"
    if pointer.fixed is not None:
        return _fixed(reader, said, pointer, callee, found)
    jumped, is_cut = _jumped(reader, site, callee)
    if not jumped:
        return _through_table(said, callee, found) or _taken(reader, said, callee)
    possible = (found.used,) if found.used else found.possible
    places = taken_in(reader.tables, callee) if not possible else ()
    if not possible and not places and len(jumped) == 1 and jumped[0].sure:
        jumped, is_cut = _jumped(reader, site, callee, thorough=True)
        if len(jumped) == 1 and not is_cut:
            return jumped[0].draft
    hops = (*_possible(callee, possible), *_pointers(callee, places), *(way.hop for way in jumped))
    first = f"{of_words(possible)}, or " if possible else ""
    # Code hands the function over itself, so that it may have been called without any jump.
    first = f"{callee.name} itself, or " if places else first
    on = "which jumps on" if len(jumped) == 1 else "each of which jumps on"
    on += ", of those that were looked at" if is_cut else ""
    ways = any_of([way.said for way in jumped])
    return Draft("indirect", hops[:LISTED], f"{said}: could be {first}a call of {ways}, {on}")


def _fitting(found: Found) -> tuple[Holder, ...]:
    return (found.used,) if found.used else found.possible if found.is_member else ()


def _agree(expression: str, found: Found) -> bool:
    """Say whether the source's name fits the tables found: it may be of another structure at that offset."""
    members = {way.name.rpartition(".")[2] for way in _fitting(found)}
    return not members or "->" not in expression or re.split(r"\.|->", expression)[-1] in members


def _through_table(said: str, callee: Function, found: Found) -> Draft | None:
    """A call that led straight to the function; None where no table holds that."""
    if found.used is not None:
        hop = DraftHop("table", callee.name, found.used.name, None, found.used)
        return Draft("indirect", (hop,), f"{said}: {found.used.name} is {callee.name}")
    if not found.possible:
        return None
    hops = _possible(callee, found.possible)[:LISTED]
    first, more = found.possible[0], len(found.possible) - 1
    if not found.is_member or not more:
        why = f"could be {of_words(found.possible)}, which is {callee.name}"
        return Draft("indirect", hops, f"{said}: {why}")
    others = f"{counted(more, 'more table')}{not_listed(more + 1)}"
    why = f"{said}: could be {first.name}, which is {callee.name} (or {others})"
    return Draft("indirect", hops, why, through=said)


def _possible(callee: Function, holders: Sequence[Holder]) -> tuple[DraftHop, ...]:
    return tuple(DraftHop("possible table", callee.name, holder.name, None, holder) for holder in holders)


def _pointers(callee: Function, places: Sequence[tuple[Function, int]]) -> tuple[DraftHop, ...]:
    return tuple(
        DraftHop("pointer", callee.name, inside.name, Place(inside.module, at)) for inside, at in places
    )


def _source_of(reader: Reader, caller: Function, branch: Branch, pointer: Pointer, found: Found) -> str:
    """Call the pointer what the source calls it, else say where it was loaded from."""
    if pointer.start is not None and found.used is not None:
        return f"an entry of {found.used.variable.name}"
    if pointer.fixed is not None and not pointer.indexed:
        variable = variable_at(reader.tables.data, pointer.fixed)
        return variable.name if variable is not None else "a pointer"
    structures = structures_of(_fitting(found), pointer)
    expression = expression_of(reader.tables.types, caller, branch.insn.address, pointer, structures)
    if expression is not None and _agree(expression, found):
        return expression
    return f"a pointer{_loaded(pointer)}"


def _fixed(reader: Reader, said: str, pointer: Pointer, callee: Function, found: Found) -> Draft:
    """A call through a pointer whose place the code itself names."""
    led = _through_table(said, callee, found) or _entry_that_jumps(reader, pointer, callee)
    return led or _taken(reader, said, callee)


class _Jumped(NamedTuple):
    """A function that may have been called and jumped on; `sure` where nothing else was read."""

    sure: bool
    said: str
    draft: Draft

    @property
    def hop(self) -> DraftHop:
        """Give the first step as one that may have been made: of several none is known to be."""
        first = self.draft.via[0]
        return first._replace(kind="possible table") if first.kind == "table" else first


def _jumped(
    reader: Reader, site: Site, callee: Function, *, thorough: bool = False
) -> tuple[list[_Jumped], bool]:
    """The functions that jump to the one whose frame is seen, and whether there may be more."""
    found: list[_Jumped] = []
    before, is_cut = _before(reader, callee, thorough=thorough)
    for function in before:
        ways = chains(reader.graph, function, callee)
        is_cut |= ways.gave_up
        if ways.closed:
            found += _jumped_by(reader, site, function, ways)
    return found, is_cut


def _jumped_by(reader: Reader, site: Site, function: Function, ways: Chains) -> Iterator[_Jumped]:
    is_only = len({tuple(hop.callee for hop in chain) for chain in ways.closed}) == 1
    jumps = steps_of(ways.closed[0])
    read = tables_read(reader.tables, function, site)
    holders = (read.used,) if read.used else read.possible
    kind: HopKind = "table" if read.used else "possible table"
    for holder in holders:
        why = f"a call through {holder.name}, {function.name}, which jumps on and left no frame"
        draft = Draft("tail-call", (DraftHop(kind, function.name, holder.name, None), *jumps), why)
        yield _Jumped(read.used is not None and is_only, f"{function.name} ({holder.name})", draft)
    for inside, at in taken_in(reader.tables, function)[:1] if not holders else ():
        why = f"a call through a pointer to {function.name}, which jumps on and left no frame"
        hop = DraftHop("pointer", function.name, inside.name, Place(inside.module, at))
        yield _Jumped(is_only, function.name, Draft("tail-call", (hop, *jumps), why))


def _before(reader: Reader, callee: Function, *, thorough: bool) -> tuple[list[Function], bool]:
    """List the functions that lead to one by a few jumps, and say whether there may be more."""
    found: list[Function] = []
    wave, is_cut = [callee], False
    for _ in range(_MAX_JUMPS_BACK):
        jumping = [jumpers(reader.graph, function, thorough=thorough) for function in wave]
        is_cut |= None in jumping
        seen = {callee, *found}
        wave = list(dict.fromkeys(way for some in jumping for way in some or () if way not in seen))
        found += wave
        if len(found) > _MAX_BEFORE:
            break
    return found[:_MAX_BEFORE], is_cut or bool(wave)


def _loaded(pointer: Pointer) -> str:
    if pointer.displacement is not None and pointer.fixed is None:
        return f" at offset {pointer.displacement:#x} of a structure"
    return ""


def _entry_that_jumps(reader: Reader, pointer: Pointer, callee: Function) -> Draft | None:
    ways: dict[Function, tuple[Holder, Chains]] = {}
    for holder, function in entries(reader.tables, pointer):
        if function not in ways and may_reach(reader.graph, function, callee):
            found = chains(reader.graph, function, callee)
            if found.closed or found.gave_up:
                ways[function] = (holder, found)
    if len(ways) != 1:
        return None
    ((function, (holder, found)),) = ways.items()
    if len(found.closed) != 1 or found.gave_up:
        return None
    hops = (DraftHop("table", function.name, holder.name, None), *steps_of(found.closed[0]))
    return Draft(
        "tail-call", hops, f"a call through {holder.name}, {function.name}, which jumps on and left no frame"
    )


def _taken(reader: Reader, said: str, callee: Function) -> Draft:
    places = taken_in(reader.tables, callee)
    if not places and reader.text.machine == EM_AARCH64:
        return Draft("indirect", (), f"{said}; no table holds {callee.name}")
    if not places:
        return Draft(
            "unknown", (), f"{said}; no table and no code at hand takes the address of {callee.name}"
        )
    hops = _pointers(callee, places)[:LISTED]
    names = any_of(list(dict.fromkeys(inside.name for inside, _ in places)))
    return Draft("indirect", hops, f"{said}; no table holds {callee.name}, its address is taken in {names}")
