# SPDX-License-Identifier: GPL-2.0-or-later
"""NUMA balancing: the kernel moves pages to the tasks that use them, and takes faults to find out which."""

from __future__ import annotations

from keepsane.judge import Clear, need, rule
from keepsane.memory.rules.amount import count, pages_words
from keepsane.memory.rules.needs import need_rates
from keepsane.memory.rules.quote import quote_file, quote_risen
from keepsane.memory.rules.setting import change
from keepsane.memory.rules.zones import nodes_with_memory
from keepsane.memory.state import MemoryState
from keepsane.report import Finding
from keepsane.words import share_words

SETTING = "kernel.numa_balancing"
_PATH = "proc/sys/kernel/numa_balancing"
_BEHIND = "unevictable_pgs_culled"
"""A counter that stands behind those of NUMA balancing in every vmstat since 2.6.28."""
_COUNTERS = ("numa_hint_faults", "numa_hint_faults_local", "numa_pages_migrated")


@rule("numa-balancing-cost", on=MemoryState)
def numa_balancing_cost(
    state: MemoryState,
    *,
    faults_per_second: float = 10_000.0,
    migrations_per_second: float = 1000.0,
    local_percent: float = 80.0,
) -> Finding | Clear:
    """
    The kernel spends much on moving pages between nodes, and does not come to an end.

    What it means: automatic NUMA balancing unmaps pages, so that the next touch faults and tells which node
    uses them, and moves them there. Where tasks of all nodes use the same pages this never ends; faults and
    moves cost time and show as latency.

    How we know: numa_hint_faults rises by 10,000 per second or more, and either fewer than 80 % of these
    faults are local, or 1,000 pages per second are moved. A kernel without these counters has no NUMA
    balancing, whatever is said of it: none before 3.8 has.

    What to do: set kernel.numa_balancing to 0, and bind or interleave the large processes.

    When it is wrong: after a start, or when tasks have moved, this pays off. With mode 2 (tiering) the moves
    are what keeps hot pages in fast memory.
    """
    if clear := _cannot_be(state, state.sysctl_number(SETTING)):
        return clear
    faults, local, moved = need_rates(state, *_COUNTERS)
    if not faults:
        return Clear(
            "no page was unmapped to see who uses it: there were no hinting faults (numa_hint_faults)"
        )
    share = 100 * local / faults
    size = pages_words(state, moved)
    said = f"{faults:.0f} hinting faults per second, {share_words(share)} of them local, and {size} moved"
    if faults < faults_per_second or (share >= local_percent and moved < migrations_per_second):
        return Clear(said)
    return _moves_on(
        state, f"{said} per second: the tasks that share these pages run on several nodes.", faults
    )


def _moves_on(state: MemoryState, explanation: str, faults: float) -> Finding:
    many = state.machine.cpus is not None and faults >= 1000 * state.machine.cpus
    return Finding(
        severity="warning" if many else "note",
        confidence="medium",
        title="NUMA balancing moves pages all the time",
        evidence=(*quote_file(state, _PATH), *quote_risen(state, *_COUNTERS)),
        explanation=explanation,
        advice=(
            change(
                state,
                SETTING,
                0,
                text="stop it, and place the large processes by hand (numactl --cpunodebind and "
                "--membind, or --interleave=all)",
                verify=f"numa_hint_faults in /proc/vmstat stands still; it rose by {faults:.0f} per second",
                risk="memory that lies on the wrong node stays there",
            ),
        ),
        references=(
            "Documentation/admin-guide/sysctl/kernel.rst, numa_balancing",
            "mm/memory.c, do_numa_page()",
        ),
    )


def _cannot_be(state: MemoryState, mode: int | None) -> Clear | None:
    need(state.newest(lambda sample: sample.vmstat), "/proc/vmstat was not read")
    if count(state, "numa_hint_faults") is None:
        need(count(state, _BEHIND), "/proc/vmstat has no numa_hint_faults, and its end is missing")
        return Clear("this kernel has no NUMA balancing: /proc/vmstat counts no numa_hint_faults")
    if len(nodes_with_memory(state)) == 1:
        return Clear("the machine has one node with memory: there is nothing to balance")
    if mode is not None and mode & 1 == 0:
        what = "is 0: NUMA balancing is off" if mode == 0 else f"is {mode}: pages move between tiers only"
        return Clear(f"{SETTING} {what}")
    return None
