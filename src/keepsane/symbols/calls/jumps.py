# SPDX-License-Identifier: GPL-2.0-or-later
"""
From the target of a call to the function whose frame stands above it: the jumps in between.

A function that ends in a jump to another leaves no frame: its caller seems to have called the other one.
Breadth first, through direct, conditional and static-call jumps; an indirect jump may lead anywhere, so it
ends a chain. A jump to the function's own `.cold` part or back is no step: both are one frame.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from keepsane.symbols.binary.elf import EM_X86_64
from keepsane.symbols.binary.image import Image
from keepsane.symbols.calls.calls import RETURN_THUNKS, Branch, branch_of, name_of
from keepsane.symbols.code.insn import Insn
from keepsane.symbols.code.patch_tables import bytes_at
from keepsane.symbols.code.text import (
    Function,
    Place,
    Text,
    function_at,
    functions_named,
    instructions,
    start_of,
    symbols_of,
)

_MAX_STEPS = 24
_MAX_FUNCTIONS = 5000
_LONGEST_PADDING_BYTES = 64
_PADDING = re.compile(
    rb"(?>\xcc|\x66{0,4}\x90|\x66{0,3}\x2e?\x0f\x1f(?:\x00|\x40\x00|\x44\x00\x00|\x80\x00{4}|\x84\x00{5})){1,64}\Z"
)
"""int3, nops and the long nops that an assembler aligns with."""
_LAST = (b"\xc3", b"\x0f\x0b", b"\x0f\xb9")
"""ret, ud2, and what begins the ud1 behind the jump of a static call."""
_MAX_OPEN_FUNCTIONS = 40
_MAX_CHAINS = 8
# Distances of four bytes and of one: lookahead, since a jump may stand inside what looks like another.
_JUMP = re.compile(
    rb"(?:\xe9|\x0f[\x80-\x8f])(?=(?P<near>.{4}))|(?:[\xeb\x70-\x7f])(?=(?P<short>.))", re.DOTALL
)


_EVERYWHERE = frozenset({"__fentry__", "__stack_chk_fail"})


class Step(NamedTuple):
    """One jump: `branch` stands in `inside` and leads to `function`, None where it leads anywhere."""

    kind: str
    inside: Function
    branch: Branch
    function: Function | None


Chain = tuple[Step, ...]
"""The jumps from the function that was called to the one that is looked for; none where it is that one."""


class Chains(NamedTuple):
    """Every way found; `gave_up` says that there may be more."""

    closed: tuple[Chain, ...]
    gave_up: bool


class Sources(NamedTuple):
    """
    Where a section has bytes that look like a jump of four bytes, and the places that these lead to.

    Both count from `start`, the address of the section.
    """

    start: int
    places: list[int]
    targets: array[int]


@dataclass(slots=True)
class Jumps:
    """The jumps that leave each function, read once; `likely` are those that the bytes alone suggest."""

    text: Text
    known: dict[Function, tuple[Step, ...]] = field(default_factory=dict)
    likely: dict[Function, frozenset[Function]] = field(default_factory=dict)
    reached: dict[Function, tuple[frozenset[Place], bool]] = field(default_factory=dict)
    called: dict[Function, frozenset[Function]] = field(default_factory=dict)
    sources: list[Sources] | None = None
    bounds: range | None = None


def body_of(text: Text, function: Function) -> Function:
    """Give the function that a `.cold` part belongs to, else the function itself."""
    name, cold, _ = function.name.partition(".cold")
    if not cold:
        return function
    owners = [one for one in functions_named(text, name) if one.module == function.module]
    return owners[0] if len(owners) == 1 else function


def is_same(text: Text, one: Function, other: Function) -> bool:
    """Say whether two functions are one: the same start under any name, or one the cold part of the other."""
    if (one.module, one.address) == (other.module, other.address):
        return True
    if ".cold" not in one.name + other.name:
        return False
    mine, theirs = body_of(text, one), body_of(text, other)
    return (mine.module, mine.address) == (theirs.module, theirs.address)


def chains(jumps: Jumps, start: Function, goal: Function) -> Chains:
    """Find every chain of jumps, without loops, that leads from one function to another."""
    if is_same(jumps.text, start, goal):
        return Chains(((),), False)
    useful, gave_up = _leading_to(jumps, start, goal)
    closed: list[Chain] = []
    ways: list[tuple[Function, Chain]] = [(start, ())] if start in useful else []
    while ways and len(closed) < _MAX_CHAINS:
        inside, chain = ways.pop(0)
        for step in jumps_from(jumps, inside):
            if step.function is None or step.function == start:
                continue
            if is_same(jumps.text, step.function, goal):
                closed.append((*chain, step))
            elif step.function in useful and not _visited(chain, step.function):
                gave_up |= len(chain) + 1 >= _MAX_STEPS
                ways += [(step.function, (*chain, step))] if len(chain) + 1 < _MAX_STEPS else []
    return Chains(tuple(closed), gave_up or bool(ways))


def _visited(chain: Chain, function: Function) -> bool:
    return any(step.function == function for step in chain)


def _leading_to(jumps: Jumps, start: Function, goal: Function) -> tuple[set[Function], bool]:
    """
    The functions between the two, going by bytes that look like jumps: more than there are, never fewer.

    A system call's dispatcher jumps to four hundred functions, and disassembling all takes too long.
    """
    before, is_cut = _before_all(jumps, start)
    goals = {one for one in before if one != start and is_same(jumps.text, one, goal)}
    return _reaching(before, goals), is_cut


def may_reach(jumps: Jumps, start: Function, goal: Function) -> bool:
    """Say whether jumps may lead from one function to another, going by bytes: no more than a filter."""
    if start not in jumps.reached:
        before, is_cut = _before_all(jumps, start)
        jumps.reached[start] = frozenset(start_of(one) for one in before), is_cut
    places, is_cut = jumps.reached[start]
    return is_cut or start_of(goal) in places


def _before_all(jumps: Jumps, start: Function) -> tuple[dict[Function, set[Function]], bool]:
    """List what jumps may lead to from a function, with what jumps there, and say whether there is more."""
    before: dict[Function, set[Function]] = {start: set()}
    wave, left_steps = [start], _MAX_STEPS
    while wave and left_steps and len(before) <= _MAX_FUNCTIONS:
        following = []
        for function in wave:
            targets = likely_jumps(jumps, function)
            following += [target for target in targets if target not in before]
            for target in targets:
                before.setdefault(target, set()).add(function)
        wave = list(dict.fromkeys(following))
        left_steps -= 1
    return before, bool(wave)


def _reaching(before: Mapping[Function, Set[Function]], goals: Set[Function]) -> set[Function]:
    useful, work = set[Function](), list(goals)
    while work:
        for function in before[work.pop()]:
            if function not in useful:
                useful.add(function)
                work.append(function)
    return useful


def open_ends(jumps: Jumps, start: Function) -> Chains:
    """Find the chains of jumps that end in a jump through a pointer, or in a static call."""
    ends: list[Chain] = []
    is_cut = False
    ways: list[tuple[Function, Chain]] = [(start, ())]
    for _ in range(_MAX_OPEN_FUNCTIONS):
        if not ways:
            break
        inside, chain = ways.pop(0)
        for step in jumps_from(jumps, inside):
            if step.function is None or step.kind == "static call":
                ends.append((*chain, step))
            elif step.function != start and not _visited(chain, step.function):
                is_cut |= len(chain) + 1 >= _MAX_STEPS
                ways += [(step.function, (*chain, step))] if len(chain) + 1 < _MAX_STEPS else []
    return Chains(tuple(ends), is_cut or bool(ways))


def likely_jumps(jumps: Jumps, function: Function) -> frozenset[Function]:
    """List the functions that bytes of a function may jump to, without disassembling it."""
    if function not in jumps.likely:
        if function.module is not None or jumps.text.machine != EM_X86_64:
            steps = jumps_from(jumps, function)
            jumps.likely[function] = frozenset(step.function for step in steps if step.function)
        else:
            if jumps.bounds is None:
                jumps.bounds = range(*_text_bounds(jumps.text.images[None]))
            jumps.likely[function] = frozenset(_likely(jumps.text, function, jumps.bounds))
    return jumps.likely[function]


def _likely(text: Text, function: Function, texts: range) -> Iterator[Function]:
    image = text.images[None]
    symbols = symbols_of(image)
    code = bytes_at(image.elf, symbols, function.address, function.size_bytes + 1)
    end = function.address + function.size_bytes
    for found in _JUMP.finditer(code):
        distance = found["near"] or found["short"]
        after = function.address + found.start() + len(found[0]) + len(distance)
        target = after + int.from_bytes(distance, "little", signed=True)
        if target in texts and not function.address <= target < end:
            there = function_at(text, Place(None, target))
            if there is None or there.name in RETURN_THUNKS:
                continue
            if there.address == target:
                yield there
            elif ".cold" in there.name and body_of(text, there) == function:
                yield from _likely(text, there, texts)
    step = None if _is_closed(code[: function.size_bytes]) else _fall_through(text, function)
    if step is not None and step.function is not None:
        yield step.function


def _is_closed(code: bytes) -> bool:
    """Say whether code ends, but for padding, in a return, a jump, a trap or a call that never returns."""
    last = code[-_LONGEST_PADDING_BYTES:]
    padding = _PADDING.search(last)
    start = padding.start() if padding else len(last)
    # The distance of a jump may end in what looks like padding.
    return any(_closes(last[: start + more]) for more in range(5))


def _closes(last: bytes) -> bool:
    return last.endswith(_LAST) or last[-5:-4] in (b"\xe8", b"\xe9") or last[-2:-1] == b"\xeb"


def callees(jumps: Jumps, function: Function) -> frozenset[Function]:
    """List the functions that a function calls, and those that these jump to at once."""
    if function not in jumps.called:
        found: set[Function] = set()
        for insn in instructions(jumps.text, function):
            branch = branch_of(jumps.text, function.module, insn) if insn.flow == "call" else None
            target = function_at(jumps.text, branch.target) if branch and branch.target else None
            if target is not None and target.name not in _EVERYWHERE:
                found |= {target, *likely_jumps(jumps, target)}
        jumps.called[function] = frozenset(found)
    return jumps.called[function]


def _text_bounds(image: Image) -> tuple[int, int]:
    sections = [section for section in image.elf.sections if section.is_text]
    return min(one.address for one in sections), max(one.address + one.size_bytes for one in sections)


def jumps_from(jumps: Jumps, function: Function) -> tuple[Step, ...]:
    """List the jumps that leave a function and its `.cold` part, one for each place they lead to."""
    if function not in jumps.known:
        found: dict[Function | int, Step] = {}
        for step in _jumps(jumps.text, function):
            # Two jumps through one register may have loaded it from different places.
            found.setdefault(step.function or step.branch.insn.address, step)
        jumps.known[function] = tuple(found.values())
    return jumps.known[function]


def _jumps(text: Text, function: Function) -> Iterator[Step]:
    parts, seen = [function], {function}
    while parts:
        part = parts.pop()
        for insn in instructions(text, part):
            step = _step(text, part, insn)
            if step is None:
                continue
            target = step.function
            if target is None or not is_same(text, target, function):
                yield step
            elif target not in seen:
                seen.add(target)
                parts.append(target)
        step = _fall_through(text, part)
        if step is not None:
            yield step


def _step(text: Text, inside: Function, insn: Insn) -> Step | None:
    if not insn.flow or insn.flow in ("call", "indirect call", "return", "stop"):
        return None
    if insn.is_branch and _is_inside(inside, insn.value) and inside.module is None:
        return None
    branch = branch_of(text, inside.module, insn)
    if branch is None or branch.kind == "return":
        return None
    if branch.target is None:
        return None if _is_switch(insn) else Step("indirect jump", inside, branch, None)
    if branch.target.module == inside.module and _is_inside(inside, branch.target.address):
        return None
    return _outward(text, inside, branch)


def _outward(text: Text, inside: Function, branch: Branch) -> Step | None:
    target = branch.target
    found = function_at(text, target) if target is not None else None
    if found is None or target is None:
        return None
    kind = "static call" if name_of(text, target).startswith("__SCT__") else branch.kind
    return Step(kind, inside, branch, found)


def _is_inside(function: Function, address: int | None) -> bool:
    return address is not None and function.address <= address < function.address + function.size_bytes


def _is_switch(insn: Insn) -> bool:
    # A jump through a table of its own places, not of functions.
    return "*8" in insn.operands


def _fall_through(text: Text, function: Function) -> Step | None:
    """Assembly may run on into the next symbol."""
    insns = [one for one in instructions(text, function) if not one.mnemonic.startswith(("nop", "int3"))]
    last = insns[-1] if insns else None
    if last is None or last.flow or last.end != function.address + function.size_bytes:
        return None
    following = function_at(text, Place(function.module, last.end))
    return None if following is None else Step("jump", function, Branch("jump", last), following)
