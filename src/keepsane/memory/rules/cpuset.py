# SPDX-License-Identifier: GPL-2.0-or-later
"""Cpusets: tasks that may use some nodes only, and find no memory on them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import CannotTell, Clear, rule
from keepsane.kernel.pages.advice import FARTHER, in_unit, write
from keepsane.memory.rules.binding import (
    Bound,
    bound,
    in_need,
    knows_bindings,
    mems_words,
    starved,
    waited_percent,
)
from keepsane.memory.rules.needs import need_scanned, need_zones
from keepsane.memory.rules.quote import cgroup_file, quote_file, quote_marks
from keepsane.memory.rules.zones import imbalance_words, newest_zones, nodes_with_memory, zones_of
from keepsane.memory.state import MemoryState
from keepsane.report import Advice, Evidence, Finding
from keepsane.words import share_words

_REFERENCES = ("Documentation/admin-guide/cgroup-v2.rst, cpuset.mems",)
_ALLOWED, _ANY = re.compile(r"^Mems_allowed_list:"), re.compile(r".")

HARMFUL_PERCENT = 5.0
"""Who stands still for memory a smaller share of the time than this may well be meant to stay on its node."""


@rule("bind-starved", on=MemoryState)
def bind_starved(
    state: MemoryState, *, scans_per_second: float = 100.0, stalled_percent: float = 1.0
) -> Finding | Clear:
    """
    A control group or process may only use nodes that are full; memory is free on others.

    What it means: its cpuset names the nodes it may take memory from. When these are full it reclaims, swaps
    or is killed, with any amount free elsewhere.

    How we know: cpuset.mems.effective of the group, or Mems_allowed_list of the process, names some of the
    nodes with memory only; the largest zone of each of these is near its high watermark or below, while
    another node has more than twice as much; and the group stood still for memory (memory.pressure),
    or, where that is not known, pages were scanned. Information only where it and the machine stood still
    less than 5 % of the time.

    What to do: give the cpuset more nodes.

    When it is wrong: a policy set by numactl or mbind() is not seen here; node-imbalance then speaks of it.
    """
    if clear := _nobody_bound(state):
        return clear
    need_zones(state)
    scanned = need_scanned(state)
    who = in_need(state, scans_per_second=scans_per_second, stalled_percent=stalled_percent)
    if who is None:
        return Clear(_not_starved(state, bound(state)[0]))
    return _is_starved(state, who, scanned)


@rule("movable-only-mems", on=MemoryState)
def movable_only_mems(state: MemoryState) -> Finding | Clear:
    """
    A control group or process may only use nodes whose memory is for movable pages.

    What it means: memory that can be unplugged (movable_node, memory devices, persistent memory used as RAM)
    is a Movable zone. The kernel's own objects, page tables and stacks cannot lie there: the group cannot
    fork or open a file, and runs out of memory with gigabytes free.

    How we know: every zone with pages of the nodes it may use is called Movable. A warning where a process
    was killed for want of memory meanwhile.

    What to do: add a node that has a Normal zone.

    When it is wrong: kernels since 5.16 let such a request fail instead of killing a process.
    """
    need_zones(state)
    if not any(_only_movable(state, (node,)) for node in nodes_with_memory(state)):
        return Clear("no node has Movable memory alone")
    if clear := _nobody_bound(state):
        return clear
    who = next((who for who in bound(state) if _only_movable(state, who.mems)), None)
    if who is None:
        return Clear(
            f"{bound(state)[0].name} is bound to {mems_words(bound(state)[0])}, which is not all Movable"
        )
    killed = state.delta("oom_kill")
    return Finding(
        severity="warning" if killed else "info",
        confidence="high",
        title=f"{who.name} may only use nodes for movable memory",
        evidence=(*_of_bound(state, who), *_of_zones(state, who)),
        explanation=f"On {mems_words(who)} there is no zone but Movable: page tables and the kernel's own "
        "objects find no place there." + (f" {killed} processes were killed meanwhile." if killed else ""),
        advice=(_widen(state, who, "oom_kill in /proc/vmstat stands still"),),
        references=(*_REFERENCES, "Documentation/admin-guide/mm/memory-hotplug.rst, ZONE_MOVABLE"),
    )


def _nobody_bound(state: MemoryState) -> Clear | None:
    if len(nodes_with_memory(state)) == 1:
        return Clear("the machine has one node with memory: all of it is near")
    if bound(state):
        return None
    if knows_bindings(state):
        return Clear("no control group or process that was looked at is bound to some of the nodes")
    raise CannotTell("no cpuset.mems.effective and no process was read")


def _is_starved(state: MemoryState, who: Bound, scanned: float) -> Finding:
    found, waited = starved(state, who), waited_percent(state, who)
    how = "It may wait" if waited is None else f"It stood still for memory {share_words(waited)} of the time"
    return Finding(
        severity="info" if _is_harmless(state, waited) else "warning",
        confidence="medium" if waited is None else "high",
        title=f"{who.name} may only use {mems_words(who)}, and that is full",
        evidence=(
            *_of_bound(state, who),
            *(quote_marks(state, found.sample, found.full, found.free) if found else ()),
        ),
        explanation=f"{how}; {scanned:.0f} pages were scanned per second."
        + (f" {imbalance_words(state, found)}" if found else ""),
        advice=(_widen(state, who, f"far fewer than {scanned:.0f} pages are scanned per second (pgscan_*)"),),
        references=_REFERENCES,
    )


def _is_harmless(state: MemoryState, waited: float | None) -> bool:
    # Now and then the group's own pressure rises by far less than the machine's.
    machine = state.stalled_percent("memory", "some")
    known = [percent for percent in (waited, machine) if percent is not None]
    return waited is not None and max(known) < HARMFUL_PERCENT


def _not_starved(state: MemoryState, who: Bound) -> str:
    said, waited = f"{who.name} is bound to {mems_words(who)}", waited_percent(state, who)
    if starved(state, who) is None:
        return f"{said}, which is not full, or no other node has plenty"
    how = (
        "nothing is reclaimed"
        if waited is None
        else f"it stood still for memory {share_words(waited)} of the time"
    )
    return f"{said}, which is full, but {how}"


def _only_movable(state: MemoryState, mems: tuple[int, ...]) -> bool:
    names = {zone.name for zone in newest_zones(state) if zone.node in mems}
    return bool(names) and names <= {"Movable", "Device"}


def _of_bound(state: MemoryState, who: Bound) -> Iterator[Evidence]:
    pattern = _ALLOWED if who.file.endswith("/status") else _ANY
    yield from quote_file(state, who.file, pattern, f"the nodes that {who.name} may use")


def _of_zones(state: MemoryState, who: Bound) -> Iterator[Evidence]:
    sample = next(sample for sample in reversed(state.samples) if zones_of(sample))
    zones = [zone for zone in zones_of(sample) if zone.node in who.mems]
    yield from quote_marks(state, sample, *zones[:8])


def _widen(state: MemoryState, who: Bound, verify: str) -> Advice:
    every = ",".join(map(str, nodes_with_memory(state)))
    text = f"let it use the other nodes too ({every})"
    if who.group in (None, "/"):
        return Advice(text=text, verify=verify)
    file = "/" + cgroup_file(state, who.group or "", "cpuset.mems")
    kept = in_unit(who.group or "", "AllowedMemoryNodes", every)
    return write(
        file,
        every,
        ",".join(map(str, who.mems)),
        text=text + (f"; to keep it: {kept}" if kept else ""),
        verify=verify,
        risk=f"{FARTHER}; a group above it may allow fewer nodes",
    )
