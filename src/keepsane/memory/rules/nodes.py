# SPDX-License-Identifier: GPL-2.0-or-later
"""Nodes: memory is free, but not where it is asked for."""

from __future__ import annotations

from keepsane.judge import CannotTell, Clear, rule
from keepsane.kernel.pages.advice import interleave
from keepsane.kernel.pages.zone import zone_name
from keepsane.memory.rules.binding import in_need, knows_bindings, mems_words
from keepsane.memory.rules.needs import need_scanned, need_zones
from keepsane.memory.rules.quote import ZONEINFO, quote_change, quote_marks, quote_risen
from keepsane.memory.rules.setting import is_without
from keepsane.memory.rules.zone_reclaim_mode import MODE
from keepsane.memory.rules.zones import Imbalance, imbalance_words, latest_imbalance, nodes_with_memory
from keepsane.memory.state import MemoryState
from keepsane.report import Advice, Finding
from keepsane.words import share_words

_REFERENCES = (
    "Documentation/admin-guide/mm/numa_memory_policy.rst",
    "Documentation/admin-guide/cgroup-v2.rst, cpuset.mems",
)
_SCANS_PER_SECOND = 100.0


@rule("node-imbalance", on=MemoryState)
def node_imbalance(
    state: MemoryState, *, scans_per_second: float = _SCANS_PER_SECOND, foreign_percent: float = 5.0
) -> Finding | Clear:
    """
    One node is full while another has plenty, and the machine frees memory on the full one or goes without.

    What it means: an allocation takes the next node when its own is full, so free memory elsewhere keeps a
    machine from reclaiming. Where it reclaims nevertheless, tasks are kept on the full node: by numactl or
    mbind(), a cpuset, or zone reclaim. Where it only moves over, memory is slower to reach, no more.

    How we know: the largest zone of one node has less than 1.2 times its high watermark free, that of another
    more than twice its high watermark. A warning where pages are scanned at the same time; information where
    only numa_foreign of the full node rises, to 5 % or more of numa_foreign and numa_hit together.

    What to do: spread the memory of the large process over the nodes: numactl --interleave=all, or
    NUMAPolicy=interleave in its systemd unit; databases have settings of their own.

    When it is wrong: with vm.numa_stat=0 the counters of placement stand still. A task that is bound on
    purpose may be meant to stay on its node.
    """
    found = _imbalance(state)
    if isinstance(found, Clear):
        return found
    scanned, foreign = need_scanned(state), _foreign_percent(state, found)
    said = f"{imbalance_words(state, found)} {_scanned_words(scanned)}"
    held = scanned >= scans_per_second
    if not held and (foreign is None or foreign < foreign_percent):
        return Clear(f"{said}: nothing is thrown out because of it")
    if held and (why_other := _by_another(state, found, said)):
        return why_other
    moved = (
        ""
        if foreign is None
        else f"; {share_words(foreign)} of the pages asked for there came from another node"
    )
    return Finding(
        severity="warning" if held else "info",
        confidence="medium",
        title="memory is freed on a full node while another has plenty"
        if held
        else "a node is full, and its tasks take memory from another",
        evidence=(
            *quote_marks(state, found.sample, found.full, found.free),
            *quote_risen(state, "pgscan_direct", "pgscan_kswapd"),
            *quote_change(
                state, f"sys/devices/system/node/node{found.full.node}/numastat", r"^numa_foreign "
            ),
        ),
        explanation=f"{said}{moved}."
        + (f" What reclaims is kept on its node, by {_what_binds(state)}." if held else ""),
        advice=(_interleave(found),) if held else (),
        references=_REFERENCES,
    )


def _imbalance(state: MemoryState) -> Imbalance | Clear:
    """The two zones, or what to answer where there are none."""
    if len(nodes_with_memory(state)) == 1:
        return Clear("the machine has one node with memory: all of it is near")
    need_zones(state)
    found = latest_imbalance(state)
    if found is None or found.free is None:
        return Clear(imbalance_words(state, found) if found else "no node is full")
    if who := in_need(state):
        return Clear(f"{who.name} is bound to {mems_words(who)}: bind-starved judges that")
    return found


def _by_another(state: MemoryState, found: Imbalance, said: str) -> Clear | None:
    mode = state.sysctl_number(MODE)
    if mode is None and not is_without(state, MODE):
        raise CannotTell(f"{said}; {MODE} was not read, and may be what does it")
    if mode:
        return Clear(f"{said}, and {MODE} is {mode}: the rules of zone reclaim judge that")
    if any(map(state.delta, ("pgdemote_kswapd", "pgdemote_direct"))):
        return Clear(
            f"{said}, and pages move from there to slower memory (pgdemote_*), as tiers are meant to"
        )
    if found.full.boost_pages:
        return Clear(f"{said}, which a watermark boost of {found.full.boost_pages} pages explains")
    if state.first.cgroups and not knows_bindings(state):
        raise CannotTell(f"{said}; cpuset.mems.effective of no control group was read")
    return None


def _scanned_words(scanned: float) -> str:
    return f"{scanned:.0f} pages were scanned per second" if scanned else "No page was scanned to free memory"


def _what_binds(state: MemoryState) -> str:
    policy = "a policy of its own (numactl, mbind)"
    return policy if knows_bindings(state) else f"{policy} or a cpuset: none of version 1 is read"


def _foreign_percent(state: MemoryState, found: Imbalance) -> float | None:
    """The share of pages meant for the full node that were taken elsewhere; None where they are few."""
    node = found.full.node
    if node is None:
        return None
    foreign, hits = state.node_rate(node, "numa_foreign"), state.node_rate(node, "numa_hit")
    if foreign is None or hits is None or foreign < _SCANS_PER_SECOND:
        return None
    return 100 * foreign / (foreign + hits)


def _interleave(found: Imbalance) -> Advice:
    free = zone_name(found.free) if found.free else "the other node"
    return interleave(
        "find what is bound to the full node (policies: grep -l bind: /proc/*/numa_maps) and spread it",
        f"{free} has less free memory in /{ZONEINFO}, and pgscan_* rise by less",
    )
