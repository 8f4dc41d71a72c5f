# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may use memory of some nodes only, and whether it waits for memory."""

from __future__ import annotations

from typing import NamedTuple

from keepsane.memory.rules.quote import cgroup_file
from keepsane.memory.rules.zones import (
    Imbalance,
    has_plenty,
    is_full,
    largest_zones,
    nodes_with_memory,
    scanned_rate,
)
from keepsane.memory.state import MemoryState


class Bound(NamedTuple):
    """
    A control group or process that may use some nodes only.

    `group` is the path of the group whose stalls are its own, None where that is not known. `file` says which
    nodes it may use.
    """

    name: str
    group: str | None
    mems: tuple[int, ...]
    file: str


def bound(state: MemoryState) -> tuple[Bound, ...]:
    """Those that may use some of the nodes with memory: the process first, then the deepest group."""
    nodes = frozenset(nodes_with_memory(state))
    found = [
        Bound(
            f"control group {group.path}",
            group.path,
            group.mems,
            cgroup_file(state, group.path, "cpuset.mems.effective"),
        )
        for group in sorted(state.first.cgroups, key=lambda group: -group.path.count("/"))
        if group.mems
    ]
    process = state.process
    if process is not None and process.mems:
        name = f"process {process.pid}" + (f" ({process.comm})" if process.comm else "")
        found.insert(0, Bound(name, process.cgroup, process.mems, f"proc/{process.pid}/status"))
    return tuple(who for who in found if frozenset(who.mems) & nodes < nodes)


def knows_bindings(state: MemoryState) -> bool:
    """Whether some cpuset or the process was read: else nobody bound means nothing."""
    own = state.process is not None and state.process.mems is not None
    return own or any(group.mems for group in state.first.cgroups)


def starved(state: MemoryState, who: Bound) -> Imbalance | None:
    """The newest sample in which all nodes that it may use are full while another has plenty."""
    for sample in reversed(state.samples):
        zones = largest_zones(sample)
        own = [zone for zone in zones if zone.node in who.mems]
        others = [zone for zone in zones if zone.node not in who.mems and has_plenty(zone)]
        if own and others and all(is_full(zone) for zone in own):
            return Imbalance(sample, own[0], max(others, key=lambda zone: zone.free_pages))
    return None


def waited_percent(state: MemoryState, who: Bound) -> float | None:
    """How long its tasks stood still for memory, in percent of the time; None where it is not known."""
    return None if who.group is None else state.cgroup_stalled_percent(who.group)


def in_need(
    state: MemoryState, *, scans_per_second: float = 100.0, stalled_percent: float = 1.0
) -> Bound | None:
    """The first that waits on full nodes; where its waiting is not known, pages are scanned."""
    scanned = scanned_rate(state) or 0.0
    for who in bound(state):
        waited = waited_percent(state, who)
        waits = scanned >= scans_per_second if waited is None else waited >= stalled_percent
        if waits and starved(state, who) is not None:
            return who
    return None


def mems_words(who: Bound) -> str:
    """Say which nodes it may use."""
    numbers = ", ".join(map(str, who.mems[:16]))
    return f"node {numbers}" if len(who.mems) == 1 else f"nodes {numbers}"
