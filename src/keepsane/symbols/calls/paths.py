# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which functions a call can lead to through direct calls and jumps alone: breadth first, shortest ways first.

    tty_read+0x96    the call that returns there
    tty_read         every call and jump of the function

What a body was inlined into is one function with it, and so is a `.cold` part. A search passes through most
of the kernel, too much to disassemble: bytes suggest where a function may lead, which is more than there is
and never less, and the instructions of each way that was found are read before it is given.
"""

from __future__ import annotations

import re
import struct
from array import array
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from keepsane.symbols.binary.elf import EM_AARCH64
from keepsane.symbols.calls.calls import RETURN_THUNKS, Branch, branch_of
from keepsane.symbols.calls.jumps import is_same
from keepsane.symbols.code.insn import Insn
from keepsane.symbols.code.patch_tables import bytes_at
from keepsane.symbols.code.text import (
    Function,
    Place,
    Text,
    function_at,
    functions_named,
    instructions,
    symbols_of,
)

MAX_DEPTH = 100
"""A way so long is nothing to read, but only a search that came to its end can say that there is none."""

MAX_FUNCTIONS = 200_000
MAX_PATHS = 3
_MAX_TRIES = 200
_MAX_COUNTED_EXACTLY = 3000
_MAX_FUNCTION_BYTES = 1 << 17

_FAR = re.compile(rb"(?:[\xe8\xe9]|\x0f[\x80-\x8f])(?=(..(?:.[\x00-\x07\xf8-\xff])))", re.DOTALL)
_NEAR = re.compile(rb"[\xeb\x70-\x7f](?=(.))", re.DOTALL)
_NEAR_BYTES = 130
_FIXED_POINTER = re.compile(rb"\xff(?:\x15|\x14\x25)")
_POINTER = re.compile(rb"\xff(?:[\x10-\x13\x15-\x17\x50-\x57\x90-\x97\xd0-\xd7\xe0-\xe7]|\x14[\x00-\xff])")
_THUNK = "__x86_indirect_thunk_"
_HOOKS = frozenset({"__fentry__", "mcount", "_mcount", "__stack_chk_fail"})
_ADDRESS = (1 << 64) - 1

REPORTING = frozenset(
    {
        *("_printk", "printk", "vprintk", "_printk_deferred"),
        *("__warn_printk", "panic", "vpanic", "__warn"),
        *("warn_slowpath_fmt", "die", "_dev_printk", "_dev_emerg"),
        *("_dev_alert", "_dev_crit", "_dev_err", "_dev_warn"),
        *("_dev_notice", "_dev_info", "__dynamic_pr_debug", "__dynamic_dev_dbg"),
        *("___ratelimit", "dump_stack", "dump_stack_lvl", "oops_enter"),
        *("oops_exit", "bust_spinlocks", "make_task_dead", "add_taint"),
        *("refcount_warn_saturate", "usercopy_abort", "fortify_panic", "__fortify_panic"),
        *("__fortify_report", "__ubsan_handle_out_of_bounds", "__list_add_valid", "__list_del_entry_valid"),
        *("__list_add_valid_or_report", "__list_del_entry_valid_or_report"),
    }
)
"""Functions that print or give up. They lead nearly everywhere: ways around them are looked for first."""


class Hop(NamedTuple):
    """One call or jump: `insn` stands in `inside`, a part of `caller`, and leads to `callee`."""

    caller: Function
    inside: Function
    insn: Insn
    kind: str
    callee: Function

    @property
    def place(self) -> Place:
        """Give the place of the instruction."""
        return Place(self.inside.module, self.insn.address)


Way = tuple[Hop, ...]
"""The calls and jumps from one function to another, in the order in which they run."""


class Pointers(NamedTuple):
    """Calls and jumps through pointers that no search follows; `is_exact` says that they were all read."""

    total: int
    is_exact: bool


class Reach(NamedTuple):
    """
    What a search found: the shortest ways, all of one length, at most three.

    `more` says that there are others of that length. `gave_up` is why it ended before everything was seen, ""
    where it did not. `through_reporting` says that no way was found that does without printing a message.
    `missing` names functions that a module calls and no file at hand has.
    """

    paths: tuple[Way, ...]
    more: bool
    functions: int
    pointers: Pointers
    gave_up: str
    through_reporting: bool
    missing: tuple[str, ...]


@dataclass(slots=True)
class Edges:
    """Where each function leads, as far as it was asked for, and what turned out not to be so."""

    text: Text
    parts: dict[Function, tuple[Function, ...]] = field(default_factory=dict)
    likely: dict[Function, tuple[Function, ...]] = field(default_factory=dict)
    pointers: dict[Function, int] = field(default_factory=dict)
    hops: dict[Function, dict[Function, Hop]] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)


class _Search(NamedTuple):
    before: dict[Function, list[Function]]
    goals: tuple[Function, ...]
    gave_up: str


def reach(
    edges: Edges,
    starts: Sequence[Function],
    goals: Sequence[Function],
    *,
    max_depth: int = MAX_DEPTH,
    max_functions: int = MAX_FUNCTIONS,
) -> Reach:
    """
    Find the shortest ways from any of the first functions to any of the others.

    A first function that is one of the others is a way without hops. Ends after `max_depth` hops, and after
    `max_functions` functions were looked into. Raises MissingExtraError without capstone.
    """
    found = _search(edges, starts, goals, max_depth, max_functions, _HOOKS | REPORTING)
    through_reporting = False
    if not found[0]:
        found = _search(edges, starts, goals, max_depth, max_functions, _HOOKS)
        through_reporting = bool(found[0])
    paths, more, search = found
    looked_into = [one for one in search.before if one in edges.parts]
    count = _count_pointers(edges, looked_into)
    whole = tuple(joined(path) for path in paths)
    missing = tuple(sorted(edges.missing))
    return Reach(whole, more, len(looked_into), count, search.gave_up, through_reporting, missing)


def joined(path: Way) -> Way:
    """Give a static call as one hop: its trampoline only jumps to where it was set to."""
    hops: list[Hop] = []
    for hop in path:
        if hops and hops[-1].kind == "static call" and hops[-1].callee.name.startswith("__SCT__"):
            hops[-1] = hops[-1]._replace(callee=hop.callee)
        else:
            hops.append(hop)
    return tuple(hops)


def _search(
    edges: Edges,
    starts: Sequence[Function],
    goals: Sequence[Function],
    max_depth: int,
    max_functions: int,
    avoided: Set[str],
) -> tuple[tuple[Way, ...], bool, _Search]:
    wanted = {(goal.module, goal.address) for goal in goals}
    for _ in range(_MAX_TRIES):
        search = _spread(edges, starts, wanted, max_depth, max_functions, avoided)
        if not search.goals:
            return (), False, search
        paths = _paths(edges, search)
        if paths:
            return tuple(paths[:MAX_PATHS]), len(paths) > MAX_PATHS, search
        # All that the bytes suggested was false and is forgotten by now: once more without it.
    return (), False, search._replace(gave_up=f"{_MAX_TRIES} ways that the bytes suggested were none")


def _spread(
    edges: Edges,
    starts: Sequence[Function],
    wanted: Set[tuple[str | None, int]],
    max_depth: int,
    max_functions: int,
    avoided: Set[str],
) -> _Search:
    before: dict[Function, list[Function]] = {start: [] for start in starts}
    wave = list(before)
    for depth in range(max_depth + 1):
        goals = tuple(one for one in wave if (one.module, one.address) in wanted)
        if goals or not wave or depth == max_depth:
            break
        following: dict[Function, list[Function]] = {}
        for function in wave:
            for target in likely_targets(edges, function):
                if target not in before and not _is_avoided(target, avoided, wanted):
                    following.setdefault(target, []).append(function)
        before |= following
        wave = list(following)
        if len(before) > max_functions:
            return _Search(before, (), f"after {len(before)} functions")
    gave_up = f"after {max_depth} calls and jumps in a row" if wave and not goals else ""
    return _Search(before, goals, gave_up)


def _is_avoided(target: Function, avoided: Set[str], wanted: Set[tuple[str | None, int]]) -> bool:
    return target.name in avoided and (target.module, target.address) not in wanted


def _paths(edges: Edges, search: _Search) -> list[Way]:
    """Walk back from the goals, reading each instruction; one more than is given, to know of others."""
    found: list[Way] = []
    dead: set[Function] = set()

    def walk(function: Function, behind: Way) -> bool:
        if not search.before[function]:
            found.append(behind)
            return True
        is_alive = False
        for caller in search.before[function]:
            if len(found) > MAX_PATHS:
                return True
            hop = None if caller in dead else hop_between(edges, caller, function)
            if hop is not None:
                is_alive |= walk(caller, (hop, *behind))
        if not is_alive:
            dead.add(function)
        return is_alive

    for goal in search.goals:
        walk(goal, ())
    return found


def hop_between(edges: Edges, caller: Function, callee: Function) -> Hop | None:
    """Read the first instruction of a function that leads to another; None is remembered for the search."""
    if caller not in edges.hops:
        edges.hops[caller] = {hop.callee: hop for hop in reversed(list(hops_from(edges, caller)))}
    hop = edges.hops[caller].get(callee)
    if hop is None:
        edges.likely[caller] = tuple(one for one in likely_targets(edges, caller) if one != callee)
    return hop


def hops_from(edges: Edges, caller: Function) -> Iterator[Hop]:
    """List the direct calls of a function and its `.cold` part, and the jumps that leave it."""
    text = edges.text
    likely_targets(edges, caller)
    for part in edges.parts[caller]:
        for insn in instructions(text, part):
            branch = branch_of(text, part.module, insn) if insn.is_branch else None
            target = function_at(text, branch.target) if branch and branch.target else None
            if branch is not None and target is not None and _enters(branch, target, edges.parts[caller]):
                yield Hop(caller, part, insn, branch.kind, target)


def _enters(branch: Branch, target: Function, parts: Sequence[Function]) -> bool:
    place = branch.target
    if place is None or (place.address is not None and place.address != target.address):
        return False
    return target not in parts


def likely_targets(edges: Edges, function: Function) -> tuple[Function, ...]:
    """List the functions that bytes of a function may call or jump to: more than it does, never fewer."""
    if function not in edges.likely:
        _look_into(edges, function)
    return edges.likely[function]


def _look_into(edges: Edges, function: Function) -> None:
    found: dict[Function, None] = {}
    parts, seen, pointers = [function], {function}, 0
    for part in parts:
        targets, through_pointers = _suggested(edges.text, part)
        pointers += through_pointers
        for target in targets:
            there = function_at(edges.text, target)
            if there is None and target.name:
                edges.missing.add(target.name)
            if there is None or there in seen:
                continue
            if ".cold" in there.name and is_same(edges.text, there, function):
                seen.add(there)
                parts.append(there)
            elif there.name.startswith(_THUNK):
                pointers += 1
            elif target.address in (None, there.address) and there.name not in RETURN_THUNKS:
                found[there] = None
    edges.parts[function] = tuple(parts)
    edges.likely[function] = tuple(found)
    edges.pointers[function] = pointers


def _suggested(text: Text, part: Function) -> tuple[list[Place], int]:
    """Where a part may lead, each call to a thunk by itself, and its calls that are no thunks'."""
    if part.module is not None:
        return _read(text, part)
    image = text.images[None]
    size_bytes = min(part.size_bytes, _MAX_FUNCTION_BYTES)
    code = bytes_at(image.elf, symbols_of(image), part.address, size_bytes)
    if text.machine == EM_AARCH64:
        targets, pointers = _arm64_targets(code, part.address)
    else:
        targets, pointers = _x86_targets(code, part.address), len(_pattern(text).findall(code))
    end = part.address + part.size_bytes
    return [Place(None, one) for one in targets if not part.address <= one < end], pointers


def _read(text: Text, part: Function) -> tuple[list[Place], int]:
    targets, pointers = [], 0
    for insn in instructions(text, part):
        branch = branch_of(text, part.module, insn) if insn.flow not in ("", "return", "stop") else None
        if branch is None:
            continue
        if branch.target is not None:
            targets.append(branch.target)
        pointers += _is_through_pointer(branch)
    return targets, pointers


def _is_through_pointer(branch: Branch) -> bool:
    # A jump through a table of the function's own places is a switch.
    return branch.kind.startswith("indirect") and "*8" not in branch.insn.operands


def _pattern(text: Text) -> re.Pattern[bytes]:
    # A kernel with thunks calls them instead, but for what is patched anyway, as paravirt calls are.
    return _FIXED_POINTER if functions_named(text, f"{_THUNK}rax") else _POINTER


def _x86_targets(code: bytes, start: int) -> list[int]:
    distance = struct.Struct("<i").unpack
    found = [start + one.end() + 4 + distance(one[1])[0] & _ADDRESS for one in _FAR.finditer(code)]
    # A jump of one byte leaves a function only near its ends.
    for base in {0, max(0, len(code) - _NEAR_BYTES)}:
        for one in _NEAR.finditer(code, base, base + _NEAR_BYTES):
            (number,) = struct.unpack("b", one[1])
            found.append(start + one.end() + 1 + number)
    return found


def _arm64_targets(code: bytes, start: int) -> tuple[list[int], int]:
    words = array("I")
    words.frombytes(code[: len(code) // 4 * 4])
    found, pointers = [], 0
    for index, word in enumerate(words):
        if word & 0x7C000000 == 0x14000000:  # b, bl
            distance = ((word & 0x3FFFFFF) ^ 0x2000000) - 0x2000000
            found.append(start + 4 * (index + distance))
        elif word & 0xFFFFFC1F == 0xD63F0000:  # blr; a br is nearly always a switch
            pointers += 1
    return found, pointers


def _count_pointers(edges: Edges, functions: Sequence[Function]) -> Pointers:
    if len(functions) > _MAX_COUNTED_EXACTLY:
        return Pointers(sum(edges.pointers[one] for one in functions), False)
    return Pointers(sum(_pointers_in(edges, one) for one in functions), True)


def _pointers_in(edges: Edges, function: Function) -> int:
    return sum(_read(edges.text, part)[1] for part in edges.parts[function])
