# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a machine's memory looks like, in words: how much there is, where it is free, and what moves.

    memory        993 MB on 2 nodes, 2 CPUs
    free          493 MB: node 0 12 MB, node 1 481 MB
    per second    pages scanned directly 4779, by kswapd 0; allocation stalls 0
"""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.memory.kernel_log import seconds_of
from keepsane.memory.rules.amount import kibibytes
from keepsane.memory.state import MemoryState
from keepsane.model import Kind
from keepsane.report import Fact
from keepsane.words import counted, rate_words, share_words, size_words

_RATES = (
    ("pages scanned directly", "pgscan_direct"),
    ("by kswapd", "pgscan_kswapd"),
    ("allocation stalls", "allocstall"),
    ("major faults", "pgmajfault"),
    ("pages swapped in", "pswpin"),
    ("out", "pswpout"),
)

_REPORTED: tuple[tuple[Kind, str], ...] = (
    ("oom-kill", "the OOM killer ran"),
    ("alloc-failure", "requests failed"),
)

_NAMED = 6


def facts_of(state: MemoryState) -> tuple[Fact, ...]:
    """Give the facts that every reader wants to see, as far as they were read."""
    return tuple(Fact(name, said) for name, said in _facts(state) if said)


def _facts(state: MemoryState) -> Iterator[tuple[str, str]]:
    yield "memory", _memory(state)
    yield "free", _free(state)
    yield "available", _available(state)
    yield "process", _process(state)
    yield "sampled", _sampled(state)
    yield "per second", _rates(state)
    yield "stalled", _stalled(state)
    yield "kernel log", "; ".join(_log(state))
    yield "whose", _whose(state)
    yield "for root", _for_root(state)


def _whose(state: MemoryState) -> str:
    """Say that a container's numbers are the host's, and which are not."""
    container = state.container
    if container is None:
        return ""
    own = (
        f", but for {', '.join(container.replaced)}, which lxcfs answers for it" if container.replaced else ""
    )
    return f"read inside a container ({container.kind}: {container.why}): these are the host's numbers{own}"


def _for_root(state: MemoryState) -> str:
    """Name what only root may read, and would have said more."""
    ends = [file.path for sample in (state.first, state.last) for file in sample.missing]
    every = (file for sample in state.samples for file in sample.missing)
    barred = {file.path for file in every if file.reason == "not permitted"}
    named = [path for path in dict.fromkeys(ends) if path in barred]
    if not named:
        return ""
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return f"not permitted to read {', '.join(named[:_NAMED])}{more}; as root these would be judged too"


def _memory(state: MemoryState) -> str:
    total = kibibytes(state, "MemTotal")
    nodes = [node for node in state.last.nodes if node.has_memory]
    parts = [size_words(total)] if total is not None else []
    parts += [f"on {len(nodes)} nodes"] if len(nodes) > 1 else []
    said = " ".join(parts)
    return f"{said}, {counted(state.machine.cpus, 'CPU')}" if said and state.machine.cpus else said


def _free(state: MemoryState) -> str:
    free = kibibytes(state, "MemFree")
    if free is None:
        return ""
    nodes = [node for node in state.last.nodes if node.has_memory and node.meminfo]
    each = [
        f"node {node.node} {size_words(free_there)}"
        for node in nodes
        if node.meminfo and (free_there := node.meminfo.kibibytes.get("MemFree")) is not None
    ]
    return size_words(free) + (f": {', '.join(each)}" if len(each) > 1 else "")


def _available(state: MemoryState) -> str:
    available = kibibytes(state, "MemAvailable")
    return "" if available is None else f"{size_words(available)} without swapping"


def _process(state: MemoryState) -> str:
    process = state.process
    if process is None:
        return ""
    name = "node" if len(process.mems or ()) == 1 else "nodes"
    nodes = f"may use {name} {', '.join(map(str, process.mems))}" if process.mems else ""
    return ", ".join(part for part in (f"{process.comm} (pid {process.pid})", nodes) if part)


def _sampled(state: MemoryState) -> str:
    if state.interval_seconds is None:
        return "once: what moves cannot be told"
    return f"{len(state.samples)} times in {rate_words(state.interval_seconds)} s"


def _rates(state: MemoryState) -> str:
    told = [(name, state.rate(counter)) for name, counter in _RATES]
    return ", ".join(f"{name} {rate_words(rate)}" for name, rate in told if rate is not None)


def _stalled(state: MemoryState) -> str:
    some, full = state.stalled_percent("memory", "some"), state.stalled_percent("memory", "full")
    if some is None or full is None:
        return ""
    return f"for memory, some task {share_words(some)} of the time, all of them {share_words(full)}"


def _log(state: MemoryState) -> Iterator[str]:
    """Say what the kernel log reports of memory: the last kill and the last failure, and of how many."""
    for kind, what in _REPORTED:
        if found := state.log.of(kind) if state.log else ():
            seconds = seconds_of(found[-1])
            when = "" if seconds is None else f", {seconds:.0f} s after boot"
            last = "" if len(found) == 1 else f"{what} {len(found)} times, the last: "
            yield f"{last}{found[-1].title}{when}"
