# SPDX-License-Identifier: GPL-2.0-or-later
"""Direct reclaim: tasks that want memory and must first free some themselves."""

from __future__ import annotations

from keepsane.judge import Clear, need, rule
from keepsane.kernel.pages.advice import SCALE_FACTOR
from keepsane.memory.rules.amount import SHORT_PERCENT, available_percent
from keepsane.memory.rules.harm import STALLS_PER_SECOND
from keepsane.memory.rules.needs import (
    need_available,
    need_free,
    need_part,
    need_rate,
    need_rates,
    need_rise,
    need_zones,
)
from keepsane.memory.rules.quote import quote_file, quote_meminfo, quote_risen
from keepsane.memory.rules.setting import start_kswapd_earlier
from keepsane.memory.rules.zones import imbalance_words, latest_imbalance, nodes_with_memory
from keepsane.memory.state import MemoryState
from keepsane.report import Advice, Evidence, Finding, Severity
from keepsane.words import rate_words, share_words, size_words

_REFERENCES = (
    "Documentation/admin-guide/sysctl/vm.rst, watermark_scale_factor",
    "mm/vmscan.c, do_try_to_free_pages(), balance_pgdat()",
)
HARMLESS_PERCENT = 2.0
"""Tasks that stand still for memory a smaller share of the time than this hardly suffer."""
FEWEST_STALLS = 5
"""Fewer tell nothing, however short the time between the samples makes their rate large."""


@rule("global-direct-reclaim", on=MemoryState)
def global_direct_reclaim(
    state: MemoryState, *, stalls_per_second: float = 1.0, direct_percent: float = 20.0
) -> Finding | Clear:
    """
    Tasks free memory themselves, again and again, although there is much that kswapd could have freed.

    What it means: kswapd frees memory in the background. Where it starts too late or is too slow, a task that
    wants a page must search for one itself and stands still meanwhile: latency spikes without a shortage.

    How we know: allocstall, which counts tasks entering direct reclaim, rises by more than one per second,
    and pgscan_direct is more than a fifth of all pages scanned, while MemAvailable is 10 % of memory or more.

    What to do: let kswapd start earlier, by a larger vm.watermark_scale_factor (since 4.6), or
    vm.min_free_kbytes on older kernels.

    When it is wrong: a task that is bound to a full node stalls too; where another node has plenty this rule
    stands back. Where compaction stalls as often (compact_stall), the tasks want large blocks instead.
    """
    stalls, direct, kswapd = need_rates(state, "allocstall", "pgscan_direct", "pgscan_kswapd")
    share = 100 * direct / (direct + kswapd) if direct + kswapd else 0.0
    said = _direct_words(stalls, share)
    if stalls <= stalls_per_second or share <= direct_percent:
        return Clear(f"{said}: that is little" if stalls else said)
    if _is_short_burst(state):
        return Clear(f"{said}: that is not sustained")
    if clear := _other_cause(state):
        return clear
    compactions = state.rate("compact_stall") or 0.0
    large = compactions * 2 >= stalls
    return Finding(
        severity="note" if large else _severity(state),
        confidence="low" if large else "high",
        title="tasks must free memory themselves: kswapd starts too late",
        evidence=_evidence(state, "allocstall", "pgscan_direct", "pgscan_kswapd"),
        explanation=f"{said}, while {_available_words(state)}."
        + (
            f" Compaction stalled {rate_words(compactions)} times per second: large blocks are wanted."
            if large
            else ""
        ),
        advice=_earlier(
            state, f"allocstall in /proc/vmstat rises more slowly than by {rate_words(stalls)} per second"
        ),
        references=_REFERENCES,
    )


@rule("kswapd-too-late", on=MemoryState)
def kswapd_too_late(state: MemoryState, *, hits_per_second: float = 1.0) -> Finding | Clear:
    """
    Bursts of allocations overtake kswapd before it can fall asleep.

    What it means: kswapd has just freed memory up to the high watermark, and within a tenth of a second the
    low one is reached again. In such a burst some tasks have to free memory themselves.

    How we know: kswapd_low_wmark_hit_quickly rises by more than one per second, and allocstall rises too.
    Information only where tasks stood still for memory less than 2 % of the time (PSI), or, where this
    kernel does not tell, fewer than one stalled per second.

    What to do: a larger distance between the watermarks: vm.watermark_scale_factor, or vm.min_free_kbytes
    where that is missing.

    When it is wrong: with memory really short every distance is used up as quickly.
    """
    hits, stalls = need_rate(state, "kswapd_low_wmark_hit_quickly"), need_rise(state, "allocstall")
    overtaken = f"kswapd was overtaken {rate_words(hits)} times per second"
    said = f"{overtaken}, and tasks stalled {stalls} times in all"
    if hits <= hits_per_second or not stalls:
        return Clear(f"{said}: bursts do not make them wait")
    if clear := _other_cause(state):
        return clear
    return Finding(
        severity=_severity(state),
        confidence="medium",
        title="bursts of allocations overtake kswapd",
        evidence=_evidence(state, "kswapd_low_wmark_hit_quickly", "allocstall"),
        explanation=f"{said}, while {_available_words(state)}.",
        advice=_earlier(state, "kswapd_low_wmark_hit_quickly in /proc/vmstat rises more slowly"),
        references=(*_REFERENCES, "mm/vmscan.c, prepare_kswapd_sleep(), kswapd_try_to_sleep()"),
    )


@rule("huge-cache-lru-spike", on=MemoryState)
def huge_cache_lru_spike(
    state: MemoryState,
    *,
    scans_per_second: float = 100_000.0,
    free_percent_at_most: float = 1.0,
    cpus_at_least: int = 32,
    memory_gibibytes_at_least: int = 64,
) -> Finding | Clear:
    """
    On a large machine that is full of page cache, many CPUs reclaim at once and get in each other's way.

    What it means: the cache takes all but a sliver of hundreds of gigabytes. When the sliver is used up, the
    tasks of all CPUs scan the same lists under the same locks; system time goes to nearly 100 %.

    How we know: a machine of 32 CPUs and 64 GB or more has less than 1 % free and half of its memory in the
    page cache; pgscan_direct rises by more than 100,000 per second, and allocstall rises by ten or more.

    What to do: keep more free, so that tasks seldom reclaim: vm.watermark_scale_factor, and
    vm.min_free_kbytes up to a fiftieth of memory. A newer kernel helps more.

    When it is wrong: that the locks are contended is not seen in these counters; `perf top` shows it. Raising
    min_free_kbytes alone did not cure every machine.
    """
    cpus = need(state.machine.cpus, "the number of CPUs is not known")
    (total, _), (cached, _), free = need_part(state, "MemTotal"), need_part(state, "Cached"), need_free(state)
    stalls, direct = need_rates(state, "allocstall", "pgscan_direct")
    size = f"{cpus} CPUs, {size_words(total)}, {share_words(free)} free"
    said = f"{size}, {direct:.0f} direct scans per second"
    if cpus < cpus_at_least or total < memory_gibibytes_at_least << 20:
        return Clear(f"{said}: this is seen on far larger machines")
    if free >= free_percent_at_most or direct < scans_per_second or stalls < 10 or 2 * cached < total:
        return Clear(f"{said}: that is no storm")
    if clear := _other_cause(state):
        return clear
    return Finding(
        severity="warning",
        confidence="medium",
        title="many CPUs reclaim page cache at once",
        evidence=(
            *quote_meminfo(state, "MemFree", "Cached"),
            *_evidence(state, "pgscan_direct", "allocstall"),
        ),
        explanation=f"{said}: page cache takes {size_words(cached)} of it.",
        advice=_earlier(state, f"pgscan_direct rises by far less than {direct:.0f} per second"),
        references=_REFERENCES,
    )


def _direct_words(stalls: float, share: float) -> str:
    if not stalls:
        return (
            "no task entered direct reclaim for want of memory in the whole machine (allocstall stood still)"
        )
    often = rate_words(stalls)
    return (
        f"tasks entered direct reclaim {often} times per second and did {share_words(share)} of the scanning"
    )


def _is_short_burst(state: MemoryState) -> bool:
    rates = state.rates("allocstall")
    if (state.delta("allocstall") or 0) < FEWEST_STALLS:
        return True
    return len(rates) >= 4 and 3 * sum(rate.per_second > 0 for rate in rates) < len(rates)


def _other_cause(state: MemoryState) -> Clear | None:
    """What else makes tasks reclaim: memory is short, or they are bound to a node that is full."""
    available = need_available(state)
    if available < SHORT_PERCENT:
        return Clear(
            f"only {share_words(available)} of memory is available: it is short, and no watermark helps"
        )
    if len(nodes_with_memory(state)) > 1:
        need_zones(state)  # else tasks may be kept on one node that is full, unseen
    found = latest_imbalance(state)
    if found is not None and found.free is not None:
        return Clear(
            f"{imbalance_words(state, found)} Tasks are kept on the full node; watermarks do not help"
        )
    return None


def _severity(state: MemoryState) -> Severity:
    """A warning, unless pressure stall information, or else allocstall, says that hardly anybody waits."""
    stalled, stalls = state.stalled_percent("memory", "some"), state.rate("allocstall") or 0.0
    waits = stalls >= STALLS_PER_SECOND if stalled is None else stalled >= HARMLESS_PERCENT
    return "warning" if waits else "info"


def _available_words(state: MemoryState) -> str:
    return f"{share_words(available_percent(state) or 0)} of memory was available at the least"


def _evidence(state: MemoryState, *counters: str) -> tuple[Evidence, ...]:
    setting = quote_file(state, f"proc/sys/{_SETTING}")
    return (*quote_risen(state, *counters), *quote_meminfo(state, "MemAvailable"), *setting)


_SETTING = SCALE_FACTOR.replace(".", "/")


def _earlier(state: MemoryState, verify: str) -> tuple[Advice, ...]:
    advice = start_kswapd_earlier(state, text="let kswapd start earlier", verify=verify)
    return (advice,) if advice else ()
