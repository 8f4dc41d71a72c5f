# SPDX-License-Identifier: GPL-2.0-or-later
"""
From the target of a call to the function whose frame stands above it: the jumps in between.

A function that ends in a jump to another leaves no frame: its caller seems to have called the other one.
Breadth first, through direct, conditional and static-call jumps; an indirect jump may lead anywhere, so it
ends a chain. A jump to the function's own `.cold` part or back is no step: both are one frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from typing import NamedTuple

from keepsane.symbols.binary.elf import EM_X86_64
from keepsane.symbols.calls.calls import branch_of
from keepsane.symbols.calls.graph import Graph, Hop, Open, code_at, exits_of, fall_through, leads_of
from keepsane.symbols.code.text import Function, function_at, instructions, is_same, start_of

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
_EVERYWHERE = frozenset({"__fentry__", "__stack_chk_fail"})

Chain = tuple[Hop, ...]
"""The jumps from the function that was called to the one that is looked for; none where it is that one."""


class Chains(NamedTuple):
    """Every way found; `gave_up` says that there may be more."""

    closed: tuple[Chain, ...]
    gave_up: bool


class End(NamedTuple):
    """A chain and the jump behind it that may lead anywhere: through a pointer, or to a static call."""

    chain: Chain
    last: Open | Hop


class Ends(NamedTuple):
    """Every end found; `gave_up` says that there may be more."""

    found: tuple[End, ...]
    gave_up: bool


class _Way(NamedTuple):
    inside: Function
    chain: Chain


def chains(graph: Graph, start: Function, goal: Function) -> Chains:
    """Find every chain of jumps, without loops, that leads from one function to another."""
    if is_same(graph.text, start, goal):
        return Chains(((),), False)
    useful, gave_up = _leading_to(graph, start, goal)
    closed: list[Chain] = []
    ways = [_Way(start, ())] if start in useful else []
    while ways and len(closed) < _MAX_CHAINS:
        way = ways.pop(0)
        hops = [hop for hop in jumps_from(graph, way.inside) if hop.callee != start]
        ends = [hop for hop in hops if is_same(graph.text, hop.callee, goal)]
        closed += [(*way.chain, hop) for hop in ends]
        longer, is_cut = _longer(
            way, start, (hop for hop in hops if hop.callee in useful and hop not in ends)
        )
        ways += longer
        gave_up |= is_cut
    return Chains(tuple(closed), gave_up or bool(ways))


def open_ends(graph: Graph, start: Function) -> Ends:
    """Find the chains of jumps that end in a jump through a pointer, or in a static call."""
    ends: list[End] = []
    gave_up = False
    ways = [_Way(start, ())]
    for _ in range(_MAX_OPEN_FUNCTIONS):
        if not ways:
            break
        way = ways.pop(0)
        ends += [End(way.chain, last) for last in exits_of(graph, way.inside).opens]
        hops = jumps_from(graph, way.inside)
        ends += [End(way.chain, hop) for hop in hops if hop.is_to_trampoline]
        longer, is_cut = _longer(way, start, (hop for hop in hops if not hop.is_to_trampoline))
        ways += longer
        gave_up |= is_cut
    return Ends(tuple(ends), gave_up or bool(ways))


def _longer(way: _Way, start: Function, hops: Iterable[Hop]) -> tuple[list[_Way], bool]:
    """Go on by each jump that leads to a new function; where the limit forbids that, say so instead."""
    seen = {start, *(hop.callee for hop in way.chain)}
    longer = [_Way(hop.callee, (*way.chain, hop)) for hop in hops if hop.callee not in seen]
    return ([], bool(longer)) if len(way.chain) + 1 >= _MAX_STEPS else (longer, False)


def jumps_from(graph: Graph, function: Function) -> tuple[Hop, ...]:
    """List the jumps that leave a function and its `.cold` part, one for each function they lead to."""
    jumps: dict[Function, Hop] = {}
    for hop in exits_of(graph, function).hops:
        jumps.setdefault(hop.callee, hop)
    return tuple(jumps.values())


def _leading_to(graph: Graph, start: Function, goal: Function) -> tuple[set[Function], bool]:
    """
    The functions between the two, going by bytes that look like jumps: more than there are, never fewer.

    A system call's dispatcher jumps to four hundred functions, and disassembling all takes too long.
    """
    before, is_cut = _before_all(graph, start)
    goals = {function for function in before if function != start and is_same(graph.text, function, goal)}
    return _reaching(before, goals), is_cut


def may_reach(graph: Graph, start: Function, goal: Function) -> bool:
    """Say whether jumps may lead from one function to another, going by bytes: no more than a filter."""
    if start not in graph.reached:
        before, is_cut = _before_all(graph, start)
        graph.reached[start] = frozenset(map(start_of, before)), is_cut
    places, is_cut = graph.reached[start]
    return is_cut or start_of(goal) in places


def _before_all(graph: Graph, start: Function) -> tuple[dict[Function, set[Function]], bool]:
    """List what jumps may lead to from a function, with what jumps there, and say whether there is more."""
    before: dict[Function, set[Function]] = {start: set()}
    wave, left_steps = [start], _MAX_STEPS
    while wave and left_steps and len(before) <= _MAX_FUNCTIONS:
        following = []
        for function in wave:
            targets = likely_jumps(graph, function)
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


def likely_jumps(graph: Graph, function: Function) -> frozenset[Function]:
    """List the functions that bytes of a function may jump to, without disassembling it."""
    if function not in graph.jumps:
        if function.module is not None or graph.text.machine != EM_X86_64:
            graph.jumps[function] = frozenset(hop.callee for hop in jumps_from(graph, function))
        else:
            code = code_at(graph.text, function.address, function.size_bytes)
            step = None if _is_closed(code) else fall_through(graph.text, function)
            targets = leads_of(graph, function).targets
            graph.jumps[function] = frozenset((*targets, step.callee) if step else targets)
    return graph.jumps[function]


def _is_closed(code: bytes) -> bool:
    """Say whether code ends, but for padding, in a return, a jump, a trap or a call that never returns."""
    last = code[-_LONGEST_PADDING_BYTES:]
    padding = _PADDING.search(last)
    start = padding.start() if padding else len(last)
    # The distance of a jump may end in what looks like padding.
    return any(_closes(last[: start + more]) for more in range(5))


def _closes(last: bytes) -> bool:
    return last.endswith(_LAST) or last[-5:-4] in (b"\xe8", b"\xe9") or last[-2:-1] == b"\xeb"


def callees(graph: Graph, function: Function) -> frozenset[Function]:
    """List the functions that a function calls, and those that these jump to at once."""
    if function not in graph.called:
        found: set[Function] = set()
        for insn in instructions(graph.text, function):
            branch = branch_of(graph.text, function.module, insn) if insn.flow == "call" else None
            target = function_at(graph.text, branch.target) if branch and branch.target else None
            if target is not None and target.name not in _EVERYWHERE:
                found |= {target, *likely_jumps(graph, target)}
        graph.called[function] = frozenset(found)
    return graph.called[function]
