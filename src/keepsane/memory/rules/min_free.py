# SPDX-License-Identifier: GPL-2.0-or-later
"""vm.min_free_kbytes and the watermarks: too little kept free, or too much."""

from __future__ import annotations

from keepsane.judge import CannotTell, Clear, need, rule
from keepsane.kernel.pages.advice import (
    LEAST_SCALE_FACTOR,
    MIN_FREE,
    MOST_SCALE_FACTOR,
    SCALE_FACTOR,
    more_min_free,
)
from keepsane.kernel.pages.failed_request import FailedRequest
from keepsane.kernel.pages.gfp import version_of
from keepsane.kernel.pages.gfp_tables import Version
from keepsane.kernel.pages.min_free import default_kibibytes, lowmem_pages, thp_pages
from keepsane.kernel.pages.zone import Zone
from keepsane.kernel.pages.zone_state import LOWMEM
from keepsane.memory.kernel_log import seconds_of
from keepsane.memory.rules.amount import SHORT_PERCENT, available_percent, kibibytes, page_kibibytes
from keepsane.memory.rules.harm import failures, harmed_words, harms, quote_failures, recent, severity_of
from keepsane.memory.rules.quote import quote_file
from keepsane.memory.rules.setting import change, keep_more_free
from keepsane.memory.rules.zones import newest_zones, size_pages
from keepsane.memory.state import MemoryState
from keepsane.report import Advice, Finding
from keepsane.words import counted, share_words, size_words

_PATH, _SCALE_PATH = "proc/sys/vm/min_free_kbytes", "proc/sys/vm/watermark_scale_factor"
_REFERENCES = (
    "Documentation/admin-guide/sysctl/vm.rst, min_free_kbytes",
    "mm/page_alloc.c, calculate_min_free_kbytes()",
)
_INCOMPLETE = f"{MIN_FREE} and a whole /proc/zoneinfo are needed, whose minima add up to it"


@rule("min-free-too-small", on=MemoryState)
def min_free_too_small(state: MemoryState, *, of_default: float = 0.5) -> Finding | Clear:
    """
    Too little memory is kept free for requests that cannot wait.

    What it means: interrupt handlers, network cards above all, take single pages and cannot wait for
    reclaim. When a burst empties the reserve, packets are dropped and the log has `page allocation failure`.

    How we know: the kernel log has failures of order 0 of requests that may not sleep, or
    vm.min_free_kbytes is less than half of what the kernel itself would set: 4 times the square root of
    lowmem in kB.

    What to do: raise vm.min_free_kbytes to twice its value, the kernel's own, or a thousandth of memory,
    whichever is most, and to no more than a fiftieth of memory.

    When it is wrong: a burst that is larger than any reserve empties that one too; a driver that retries
    loses nothing.
    """
    value, own = _need_value(state), need(_default(state), _INCOMPLETE)
    found = failures(state)
    failed = tuple(
        request for request in found or () if request.order == 0 and request.gfp and not request.gfp.may_sleep
    )
    now = recent(state, failed)
    said = f"{MIN_FREE} is {value} kB, the kernel's own choice would be {own} kB"
    if not failed and value >= of_default * own:
        log = "the kernel log was not read" if found is None else "no request of order 0 failed in the log"
        return Clear(f"{said}, and {log}")
    advice = keep_more_free(
        state,
        more_min_free(value, _whole(state), own),
        text="keep more memory free",
        verify="min in /proc/zoneinfo has grown, and the log has no further `page allocation failure`",
    )
    if advice is None:
        return Clear(f"{said}: {len(failed)} requests failed, but more than that should not be kept free")
    return Finding(
        # Whatever tasks wait for, it is not the reserve: only a failed request shows that it is too small.
        severity="warning" if now else "note" if failed else "info",
        confidence="high" if failed else "medium",
        title=f"{'too ' if failed else ''}little is kept free for requests that cannot wait: "
        f"{size_words(value)}",
        evidence=(*quote_file(state, _PATH), *quote_failures(state, failed[-3:])),
        explanation=f"{said}. {_failures_words(found, failed, now)}",
        advice=(advice,),
        references=_REFERENCES,
    )


def _failures_words(
    log: tuple[FailedRequest, ...] | None,
    failed: tuple[FailedRequest, ...],
    now: tuple[FailedRequest, ...],
) -> str:
    if log is None:
        return "The kernel log was not read: whether requests failed is not known."
    if not failed:
        return "No request of order 0 failed by the kernel log."
    last = seconds_of(failed[-1])
    when = "" if last is None else f", the last at {last:.0f} s after boot"
    said = f"By the log {counted(len(failed), 'request')} of order 0 failed that could not wait{when}"
    return f"{said}; {len(now) or 'none'} of them lately."


@rule("min-free-too-large", on=MemoryState)
def min_free_too_large(
    state: MemoryState, *, high_percent: float = 5.0, min_percent: float = 2.0, of_own: float = 1.5
) -> Finding | Clear:
    """
    Much memory is kept free that nobody may use.

    What it means: reclaim begins early and goes on until the high watermark; programs are swapped or killed
    with memory free. On a small machine a value copied from a large one does that.

    How we know: the high watermarks of all zones are more than 5 % of memory, or vm.min_free_kbytes is more
    than 2 %, and in both cases far more than the kernel itself would set for this machine.

    What to do: set vm.min_free_kbytes to the kernel's own value. Where vm.watermark_scale_factor is the
    cause, lower that.

    When it is wrong: somebody may have raised it against failures of atomic requests. See the log first.
    Where tasks wait although more than that, and 10 % of memory, is available, this is not the cause.
    """
    value, own = _need_value(state), need(_own(state), _INCOMPLETE)
    zones, whole = newest_zones(state), _whole(state)
    high = sum(zone.high_pages - (zone.boost_pages or 0) for zone in zones) * page_kibibytes(state)
    factor = state.sysctl_number(SCALE_FACTOR) or 0
    said = f"{MIN_FREE} is {value} kB, {share_words(100 * value / whole)} of memory, and the kernel's own "
    said += f"choice {_with_thp(state)}would be {own} kB; "
    said += f"with the watermarks above it, {share_words(100 * high / whole)} of memory are kept free"
    min_is_large = value > of_own * own
    gap_is_large = factor > MOST_SCALE_FACTOR
    is_large = 100 * high > high_percent * whole or 100 * value > min_percent * whole
    if not is_large or not (min_is_large or gap_is_large):
        return Clear(said)
    suffering = harms(state)
    if suffering and _has_more(state, 100 * high / whole):
        return Clear(
            f"{said}. Tasks wait with much memory available: with less kept free they would wait more"
        )
    return Finding(
        severity=severity_of(suffering) if min_is_large else "info",
        confidence="high" if min_is_large else "medium",
        title=f"{size_words(high)} are kept free, {share_words(100 * high / whole)} of memory",
        evidence=(*quote_file(state, _PATH), *quote_file(state, _SCALE_PATH)),
        explanation=f"{said}. {harmed_words(suffering)}",
        advice=(_lower_min(state, value, own) if min_is_large else _lower_gap(state, factor),),
        references=_REFERENCES,
    )


def _has_more(state: MemoryState, kept_percent: float) -> bool:
    # MemAvailable leaves out what lies below the high watermarks (mm/show_mem.c, si_mem_available()).
    available = available_percent(state)
    return (
        available is not None
        and available >= max(SHORT_PERCENT, kept_percent)
        and not state.delta("oom_kill")
    )


def _lower_min(state: MemoryState, value: int, own: int) -> Advice:
    return change(
        state,
        MIN_FREE,
        own,
        text=f"keep as much free as the kernel itself would: {MIN_FREE} from {value} to {own}",
        verify="high in /proc/zoneinfo has fallen, and MemAvailable in /proc/meminfo has risen",
        risk="requests that cannot wait may fail in bursts: watch the log for `page allocation failure`",
    )


def _lower_gap(state: MemoryState, factor: int) -> Advice:
    return change(
        state,
        SCALE_FACTOR,
        LEAST_SCALE_FACTOR,
        text=f"let kswapd stop earlier: {SCALE_FACTOR} from {factor} to {LEAST_SCALE_FACTOR}",
        verify="high in /proc/zoneinfo has fallen, and MemAvailable in /proc/meminfo has risen",
        risk="tasks may have to reclaim themselves in bursts: allocstall in /proc/vmstat must not rise",
    )


def _need_value(state: MemoryState) -> int:
    """
    Give min_free_kbytes where the zones share out all of it, each rounded down: none is missing then.

    Movable has its share on older kernels; HighMem never has.
    """
    value, zones = need(state.sysctl_number(MIN_FREE), _INCOMPLETE), newest_zones(state)
    wanted = value // page_kibibytes(state)
    found = [_min_of(zones, LOWMEM), _min_of(zones, (*LOWMEM, "Movable"))]
    if not any(0 <= wanted - pages <= len(zones) for pages in found):
        raise CannotTell(_INCOMPLETE)
    return value


def _min_of(zones: tuple[Zone, ...], names: tuple[str, ...]) -> int:
    return sum(
        zone.min_pages - min(zone.boost_pages or 0, zone.min_pages) for zone in zones if zone.name in names
    )


def _with_thp(state: MemoryState) -> str:
    """Say where the kernel keeps more free for the sake of huge pages."""
    return "" if _own(state) == _default(state) else "with transparent hugepages "


def _whole(state: MemoryState) -> int:
    return sum(map(size_pages, newest_zones(state))) * page_kibibytes(state)


def _version(state: MemoryState) -> Version | None:
    return version_of(state.machine.release)


def _default(state: MemoryState) -> int | None:
    """What the kernel sets at boot for this much lowmem."""
    pages = lowmem_pages(newest_zones(state))
    return None if not pages else default_kibibytes(pages * page_kibibytes(state), _version(state))


def _own(state: MemoryState) -> int | None:
    """The same, or what transparent hugepages raise it to, unless they are known to be off."""
    default, pages = _default(state), lowmem_pages(newest_zones(state))
    if default is None or not pages or (state.thp is not None and state.thp.enabled == "never"):
        return default
    page, block = page_kibibytes(state), kibibytes(state, "Hugepagesize") or 2048
    zones = sum(zone.name in LOWMEM for zone in newest_zones(state))
    return max(default, thp_pages(zones, block // page, pages) * page)
