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

from collections.abc import Sequence, Set
from typing import NamedTuple

from keepsane.symbols.calls.graph import Graph, Hop, exits_of, leads_of
from keepsane.symbols.code.text import Function, Place, start_of

MAX_DEPTH = 100
"""A way so long is nothing to read, but only a search that came to its end can say that there is none."""

MAX_FUNCTIONS = 200_000
MAX_PATHS = 3
_MAX_TRIES = 200
_MAX_COUNTED_EXACTLY = 3000
_HOOKS = frozenset({"__fentry__", "mcount", "_mcount", "__stack_chk_fail"})

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


class _Search(NamedTuple):
    before: dict[Function, list[Function]]
    goals: tuple[Function, ...]
    gave_up: str


def reach(
    graph: Graph,
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
    found = _search(graph, starts, goals, max_depth, max_functions, _HOOKS | REPORTING)
    through_reporting = False
    if not found[0]:
        found = _search(graph, starts, goals, max_depth, max_functions, _HOOKS)
        through_reporting = bool(found[0])
    paths, more, search = found
    looked_into = [function for function in search.before if function in graph.leads]
    count = _count_pointers(graph, looked_into)
    whole = tuple(joined(path) for path in paths)
    missing = tuple(sorted(graph.missing))
    return Reach(whole, more, len(looked_into), count, search.gave_up, through_reporting, missing)


def joined(path: Way) -> Way:
    """Give a static call as one hop: its trampoline only jumps to where it was set to."""
    hops: list[Hop] = []
    for hop in path:
        if hops and hops[-1].kind == "static call" and hops[-1].is_to_trampoline:
            hops[-1] = hops[-1]._replace(callee=hop.callee)
        else:
            hops.append(hop)
    return tuple(hops)


def _search(
    graph: Graph,
    starts: Sequence[Function],
    goals: Sequence[Function],
    max_depth: int,
    max_functions: int,
    avoided: Set[str],
) -> tuple[tuple[Way, ...], bool, _Search]:
    wanted = set(map(start_of, goals))
    for _ in range(_MAX_TRIES):
        search = _spread(graph, starts, wanted, max_depth, max_functions, avoided)
        if not search.goals:
            return (), False, search
        paths = _paths(graph, search)
        if paths:
            return tuple(paths[:MAX_PATHS]), len(paths) > MAX_PATHS, search
        # All that the bytes suggested was false and is forgotten by now: once more without it.
    return (), False, search._replace(gave_up=f"{_MAX_TRIES} ways that the bytes suggested were none")


def _spread(
    graph: Graph,
    starts: Sequence[Function],
    wanted: Set[Place],
    max_depth: int,
    max_functions: int,
    avoided: Set[str],
) -> _Search:
    before: dict[Function, list[Function]] = {start: [] for start in starts}
    wave = list(before)
    for depth in range(max_depth + 1):
        goals = tuple(function for function in wave if start_of(function) in wanted)
        if goals or not wave or depth == max_depth:
            break
        following: dict[Function, list[Function]] = {}
        for function in wave:
            for target in leads_of(graph, function).targets:
                if target not in before and not _is_avoided(target, avoided, wanted):
                    following.setdefault(target, []).append(function)
        before |= following
        wave = list(following)
        if len(before) > max_functions:
            return _Search(before, (), f"after {len(before)} functions")
    gave_up = f"after {max_depth} calls and jumps in a row" if wave and not goals else ""
    return _Search(before, goals, gave_up)


def _is_avoided(target: Function, avoided: Set[str], wanted: Set[Place]) -> bool:
    return target.name in avoided and start_of(target) not in wanted


def _paths(graph: Graph, search: _Search) -> list[Way]:
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
            hop = None if caller in dead else hop_between(graph, caller, function)
            if hop is not None:
                is_alive |= walk(caller, (hop, *behind))
        if not is_alive:
            dead.add(function)
        return is_alive

    for goal in search.goals:
        walk(goal, ())
    return found


def hop_between(graph: Graph, caller: Function, callee: Function) -> Hop | None:
    """Read the first instruction of a function that leads to another; None is remembered for the search."""
    hops = (hop for hop in exits_of(graph, caller).hops if hop.callee == callee and _is_to_start(hop))
    hop = next(hops, None)
    if hop is None:
        leads = leads_of(graph, caller)
        targets = tuple(target for target in leads.targets if target != callee)
        graph.leads[caller] = leads._replace(targets=targets)
    return hop


def _is_to_start(hop: Hop) -> bool:
    """Say whether a branch leads to the start of a function; running on into the next one is no branch."""
    place = hop.branch.target
    return place is not None and place.address in (None, hop.callee.address)


def _count_pointers(graph: Graph, functions: Sequence[Function]) -> Pointers:
    if len(functions) > _MAX_COUNTED_EXACTLY:
        return Pointers(sum(graph.leads[function].pointers for function in functions), False)
    return Pointers(sum(len(exits_of(graph, function).opens) for function in functions), True)
