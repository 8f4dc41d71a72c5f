# SPDX-License-Identifier: GPL-2.0-or-later
"""Zone reclaim: throwing pages out of a node although another node has free ones."""

from __future__ import annotations

from keepsane.judge import CannotTell, Clear, rule
from keepsane.memory.rules.needs import need_rate, need_rates, need_rise
from keepsane.memory.rules.quote import quote_file, quote_marks, quote_risen
from keepsane.memory.rules.setting import change
from keepsane.memory.rules.zone_reclaim_mode import MODE, MODE_FILE, mode_words, why_not_armed
from keepsane.memory.rules.zones import Imbalance, imbalance, imbalance_words, newest_zones
from keepsane.memory.state import MemoryState
from keepsane.report import Advice, Evidence, Finding
from keepsane.words import rate_words

_REFERENCES = ("Documentation/admin-guide/sysctl/vm.rst, zone_reclaim_mode", "mm/vmscan.c, node_reclaim()")
SCANNED_A_STALL = 32
"""The least pages that global direct reclaim scans for each stall that allocstall counts."""
SCANNED_A_STALL_USUALLY = 128
"""It seldom scans more where something can be freed: 40 to 115 were measured."""


@rule("zone-reclaim-biting", on=MemoryState)
def zone_reclaim_biting(
    state: MemoryState, *, scans_per_second: float = 100.0, stalls_share: float = 0.01
) -> Finding | Clear:
    """
    Pages are thrown out of a node that is full, while another node has free memory.

    What it means: with zone_reclaim_mode set, the kernel looks for memory on the nearest node first, and
    scans its page cache for something to drop rather than take a free page from the next node. The task
    that wanted memory does this work itself, and waits. It shows as latency spikes, with much memory free.

    How we know: pages are scanned directly (pgscan_direct) without allocation stalls (allocstall), which
    global reclaim would count for every 32 pages scanned. Only zone reclaim scans without a stall. Where the
    kernel has the counters, zone_reclaim_failed and zone_reclaim_success rise with it; where the latter rises
    faster than allocstall, it bites beside global reclaim.

    What to do: set vm.zone_reclaim_mode to 0. Memory then comes from the other node, which is slower to reach
    by far less than a disk.

    When it is wrong: a workload that is split by node and fits into each may want it. Reclaim at the limit
    of a control group is not counted here on kernels since 4.19.
    """
    if clear := why_not_armed(state):
        return clear
    scanned, stalls = need_rates(state, "pgscan_direct", "allocstall")
    said = f"{scanned:.0f} pages were scanned directly per second, {_stalls_words(stalls)}"
    if scanned < scans_per_second:
        return Clear(f"{MODE} is on, but {said}: it does not bite")
    few = stalls < stalls_share * scanned / SCANNED_A_STALL
    found = imbalance(state)
    if clear := _by_others(state, f"{MODE} is on, but {said}", few, found):
        return clear
    counted = state.delta("zone_reclaim_failed") or state.delta("zone_reclaim_success")
    return Finding(
        severity="warning",
        confidence="high" if few and counted and found and found.free else "medium",
        title=f"zone reclaim bites: set {MODE} to 0",
        evidence=_evidence(state, found),
        explanation=f"{_where(state, found)} {said}: {_how_known(state, few)}. "
        f"{_mode_words(state)}{_blind(state)}",
        advice=(
            _switch_off(
                state, f"pgscan_direct in /proc/vmstat rises by far less than {scanned:.0f} per second"
            ),
        ),
        references=_REFERENCES,
    )


@rule("zone-reclaim-armed", on=MemoryState)
def zone_reclaim_armed(state: MemoryState) -> Finding | Clear:
    """
    Zone reclaim is switched on, and does nothing at the moment.

    What it means: as soon as a node is full of page cache, tasks on it will drop that rather than take
    memory from another node, and wait for it.

    How we know: zone_reclaim_mode is not 0 and the machine has more than one node with memory.

    What to do: set it to 0, unless the workload is split by node on purpose. See who sets it: a TuneD
    profile such as hpc-compute does.

    When it is wrong: on a machine whose workload is bound to nodes it is what somebody wanted.
    """
    if clear := why_not_armed(state):
        return clear
    scanned = need_rate(state, "pgscan_direct")
    if scanned >= 1:
        return Clear(f"pages are being scanned, {scanned:.0f} per second: the other rules judge that")
    failed = state.rate("zone_reclaim_failed")
    if failed and failed >= 10 and state.delta("zone_reclaim_success") is not None:
        return Clear(f"it is being tried, {failed:.0f} times per second: zone-reclaim-in-vain judges that")
    return Finding(
        severity="info",
        confidence="high",
        title=f"{MODE} is {state.sysctl(MODE)}: nothing suffers from it now",
        evidence=tuple(quote_file(state, MODE_FILE)),
        explanation="No pages are scanned directly. Once a node fills up, that will change. "
        f"{_mode_words(state)}",
        advice=(_switch_off(state, "zone_reclaim_failed in /proc/vmstat stands still"),),
        references=_REFERENCES,
    )


@rule("zone-reclaim-in-vain", on=MemoryState)
def zone_reclaim_in_vain(state: MemoryState, *, failures_per_second: float = 10.0) -> Finding | Clear:
    """
    Zone reclaim is tried again and again, and frees nothing.

    What it means: every allocation on the full node asks zone reclaim first. The multi-generational LRU of
    some kernels drops nothing there unless the mode also allows to write and to unmap (2 and 4), so the
    question costs time and the page comes from the other node after all.

    How we know: zone_reclaim_failed rises, while zone_reclaim_success and pgscan_direct stand still. This is
    read off the counters, not off the kernel's version.

    What to do: set vm.zone_reclaim_mode to 0: nothing is lost, since it does nothing.

    When it is wrong: kernels without zone_reclaim_success (6.1) cannot be told apart this way.
    """
    if clear := why_not_armed(state):
        return clear
    failed, succeeded = need_rate(state, "zone_reclaim_failed"), need_rise(state, "zone_reclaim_success")
    scanned = need_rise(state, "pgscan_direct")
    said = f"zone_reclaim_failed rose by {failed:.0f} per second, zone_reclaim_success by {succeeded} in all"
    if failed < failures_per_second or succeeded or scanned:
        return Clear(f"{said}, and {scanned} pages were scanned")
    return Finding(
        severity="note",
        confidence="high",
        title="zone reclaim is tried in vain",
        evidence=tuple(quote_risen(state, "zone_reclaim_failed", "zone_reclaim_success", "pgscan_direct")),
        explanation=f"{said}, and no page was scanned: each request for memory on the full "
        "node asks, and nothing is freed. "
        f"{_mode_words(state)}",
        advice=(
            _switch_off(
                state, f"zone_reclaim_failed in /proc/vmstat stands still; it rose by {failed:.0f} per second"
            ),
        ),
        references=(*_REFERENCES, "mm/vmscan.c, lru_gen_shrink_node()"),
    )


def _stalls_words(stalls: float) -> str:
    return f"with {rate_words(stalls)} allocation stalls" if stalls else "without allocation stalls"


def _by_others(state: MemoryState, said: str, few: bool, found: Imbalance | None) -> Clear | None:
    """Say why the pages may be scanned for other reasons; None where zone reclaim scans them."""
    scanned, stalls = need_rates(state, "pgscan_direct", "allocstall")
    succeeded = state.rate("zone_reclaim_success")
    if succeeded == 0 and state.delta("zone_reclaim_failed") == 0:
        return Clear(f"{said}; zone_reclaim_success and zone_reclaim_failed stand still: it was not at work")
    if succeeded is not None and succeeded > stalls:
        return None
    if stalls and found is not None and found.free is None:
        raise CannotTell(f"{said}, and no node has plenty: short of memory, global reclaim scans as much")
    if few:
        return None
    if succeeded is None and scanned > SCANNED_A_STALL_USUALLY * stalls:
        raise CannotTell(f"{said}; zone_reclaim_success, which tells whether it takes part, is not counted")
    return Clear(f"{said}: that is reclaim of the whole machine")


def _how_known(state: MemoryState, few: bool) -> str:
    if few:
        return "only zone reclaim scans so without a stall"
    return f"zone reclaim freed pages {rate_words(state.rate('zone_reclaim_success') or 0)} times per second"


def _mode_words(state: MemoryState) -> str:
    """Say the value and what it allows, as the start of a sentence."""
    mode = state.sysctl_number(MODE) or 0
    said = mode_words(mode, state.machine.release)
    return f"{MODE} is {mode}, by which a task that asks for memory may {said}."


def _where(state: MemoryState, found: Imbalance | None) -> str:
    if not newest_zones(state):
        return "Which node is full is not known: /proc/zoneinfo was not read."
    if found is None:
        return "No node was seen near its low watermark."
    return imbalance_words(state, found)


def _blind(state: MemoryState) -> str:
    """Say where pressure stall information does not show what happens."""
    stalled = state.stalled_percent("memory", "some")
    if stalled is None or stalled >= 0.1:
        return ""
    return " Memory pressure (PSI) does not show it: kernels such as 5.10 do not count zone reclaim there."


def _evidence(state: MemoryState, found: Imbalance | None) -> tuple[Evidence, ...]:
    return (
        *quote_file(state, MODE_FILE),
        *(quote_marks(state, found.sample, found.full, found.free) if found else ()),
        *quote_risen(state, "pgscan_direct", "allocstall", "zone_reclaim_failed", "zone_reclaim_success"),
    )


def _switch_off(state: MemoryState, verify: str) -> Advice:
    return change(
        state,
        MODE,
        0,
        text="take memory from the other node instead. Leave it as it is only where each workload is bound "
        "to a node on purpose",
        verify=verify,
        risk="numa_miss and other_node rise: that is intended; a workload split by node may lose locality",
    )
