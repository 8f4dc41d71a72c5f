# SPDX-License-Identifier: GPL-2.0-or-later
"""
What to change after a failed allocation, sized from the numbers of the report.

What a change would have meant for this very request is replayed by the kernel's own arithmetic
(keepsane.kernel.pages.what_if). How a setting is sized and set is keepsane.kernel.pages.advice.
"""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.kernel.events.alloc_failure.failure import AllocFailure
from keepsane.kernel.events.show_mem.usage import usage
from keepsane.kernel.pages import advice
from keepsane.kernel.pages.advice import MIN_FREE, MOST_OF_MEMORY, ONLY_READS, SCALE_FACTOR
from keepsane.kernel.pages.gfp import version_of
from keepsane.kernel.pages.mem_info import MemInfo
from keepsane.kernel.pages.min_free import default_kibibytes, lowmem_pages
from keepsane.kernel.pages.watermark import ZoneLedger
from keepsane.kernel.pages.what_if import DEFAULT_SCALE_FACTOR, SCALED_SINCE, min_free_kibibytes_of, what_if
from keepsane.kernel.pages.zone import Zone
from keepsane.kernel.pages.zone_state import MAX_THRESHOLD_PAGES, boost_pages, hidden_free_pages
from keepsane.report import Advice
from keepsane.shell import command

_WORTH_A_CHANGE = 4
"""What would not have been enough is not advised where it is less than this part more."""
_LOW_ZONES = ("DMA", "DMA32")
_FREE_PART_SINCE = (6, 12)
_NOT_AGAIN = "no further `page allocation failure` in the log"


def raise_min_free(event: AllocFailure) -> Advice | None:
    """
    Advise a larger vm.min_free_kbytes where the request may use what lies below the min watermark.

    One that may not gains nothing: the mark rises as far as the memory kept free.
    """
    if event.memory is None or event.gfp is None or not (event.gfp.high or event.gfp.memalloc):
        return None
    now, whole = min_free_kibibytes_of(event.memory), _managed_kibibytes(event.memory)
    if now is None or not whole:
        return _read_first(event)
    least = advice.more_min_free(now, whole, _own_kibibytes(event, event.memory))
    enough = next((value for value in _doublings(least, whole) if _would_pass(event, value)), None)
    value = enough or least
    if value <= now + (0 if enough else now // _WORTH_A_CHANGE):
        return None
    return advice.change(
        MIN_FREE,
        value,
        now,
        text=f"{_why(event)}: {MIN_FREE} from about {now} to {value}{_effect(event, value)}",
        verify=f"{_NOT_AGAIN}; min in /proc/zoneinfo has grown",
        risk=advice.less_memory(value - now),
    )


def _why(event: AllocFailure) -> str:
    when = "if it comes again, " if _is_race(event) else ""
    return f"{when}keep more memory free for requests that cannot wait"


def _is_race(event: AllocFailure) -> bool:
    return event.ledger is not None and event.ledger.verdict == "race"


def _effect(event: AllocFailure, value: int) -> str:
    """Say what the change would have meant; nothing where the request passes without it."""
    if _is_race(event):
        return ""
    zone = _zone_with(event, value)
    served = "it would still not have been enough"
    if zone is not None and zone.outcome == "passes":
        served = f"the request would {'barely ' if zone.borderline else ''}have been served"
    return f"; had that much more been free, {served}: an estimate"


def _read_first(event: AllocFailure) -> Advice:
    return Advice(
        text=f"{_why(event)}: double {MIN_FREE}. The report does not print every zone, so read the value "
        "that is set first",
        command=command("sysctl {}", MIN_FREE),
        undo=ONLY_READS,
        verify=_NOT_AGAIN,
        risk="far too large a value makes the OOM killer come early: stay below a fiftieth of memory",
    )


def _own_kibibytes(event: AllocFailure, memory: MemInfo) -> int:
    """Give what the kernel itself would keep free of the zones that are printed."""
    lowmem_kibibytes = (lowmem_pages(memory.zones) or 0) * memory.page_bytes // 1024
    return default_kibibytes(lowmem_kibibytes, version_of(event.release))


def _doublings(least: int, whole: int) -> Iterator[int]:
    while 0 < least <= whole // MOST_OF_MEMORY:
        yield least
        least *= 2


def _would_pass(event: AllocFailure, min_free_kibibytes: int) -> bool:
    zone = _zone_with(event, min_free_kibibytes)
    return zone is not None and zone.outcome == "passes" and not zone.borderline


def _zone_with(event: AllocFailure, min_free_kibibytes: int) -> ZoneLedger | None:
    """Give the zone that would have decided, had others left the larger reserve alone."""
    if event.memory is None:
        return None
    kept = what_if(event.memory, event.request(), min_free_kibibytes=min_free_kibibytes).kept_free
    return kept.zone if kept is not None else None


def _managed_kibibytes(memory: MemInfo) -> int:
    return sum(zone.managed_pages or 0 for zone in memory.zones) * memory.page_bytes // 1024


def wake_kswapd_earlier(event: AllocFailure) -> Advice | None:
    """
    Advise a larger vm.watermark_scale_factor where kswapd has something to reclaim (since 4.6).

    A request that may sleep reclaims for itself and gains nothing.
    """
    version, memory = version_of(event.release), event.memory
    if memory is None or event.gfp is None or event.gfp.may_sleep or not _can_reclaim(memory):
        return None
    if version is None or version < SCALED_SINCE:
        return None
    zone = event.ledger.zone.zone if event.ledger and event.ledger.zone else None
    now = _scale_factor(zone)
    value = advice.wider_gap(now, _managed_kibibytes(memory))
    if value <= now or not _widens(zone, value):
        return None
    return advice.change(
        SCALE_FACTOR,
        value,
        now,
        text="wake kswapd, which frees memory in the background, earlier: there is page cache that it can "
        f"drop. {SCALE_FACTOR} from {now} to {value} raises the low and high watermarks, not the reserve",
        verify="allocstall_* in /proc/vmstat rises more slowly, and the report does not come again",
        risk=advice.LESS_CACHE,
    )


def _scale_factor(zone: Zone | None) -> int:
    """Deduce the factor from the gap between min and low; where min alone set the gap, the default."""
    if zone is None or not zone.managed_pages:
        return DEFAULT_SCALE_FACTOR
    gap, least = zone.low_pages - zone.min_pages, (zone.min_pages - boost_pages(zone)) // 4
    return round(gap * 10000 / zone.managed_pages) if gap > least else DEFAULT_SCALE_FACTOR


def _widens(zone: Zone | None, scale_factor: int) -> bool:
    """Tell whether the marks lie further apart then: a large min alone may set them further apart still."""
    if zone is None or not zone.managed_pages:
        return True
    return zone.managed_pages * scale_factor // 10000 > zone.low_pages - zone.min_pages


def _can_reclaim(memory: MemInfo) -> bool:
    parts = usage(memory)
    reclaimable_kibibytes = sum(part.kibibytes for part in parts if part.reclaimable)
    return 20 * reclaimable_kibibytes > sum(part.kibibytes for part in parts)


def ask_for_less(event: AllocFailure) -> Advice | None:
    """Advise to ask for smaller blocks."""
    if not event.order or event.memory is None:
        return None
    return Advice(
        text=f"let the caller ask for less than {event.size_of(1 << event.order)} in one piece: a smaller "
        "MTU or no jumbo frames for a network card, smaller rings or buffers for a device, kvmalloc() in a "
        "driver of your own",
        verify="the headline shows a lower order, or does not come again",
    )


OPEN_LOW_ZONES = Advice(
    text="only where the devices that need low memory are gone: larger numbers in vm.lowmem_reserve_ratio "
    "keep less of the lower zones back",
    command="sysctl vm.lowmem_reserve_ratio",
    undo=ONLY_READS,
    verify="lowmem_reserve[] in the next report, or `protection:` in /proc/zoneinfo, is smaller",
    risk="requests that can use nothing but low memory fail then",
)


def ask_less_of_low_memory(event: AllocFailure) -> Advice | None:
    """Say that only low memory is short, where most of what is free lies above what the request may use."""
    ledger, memory, gfp = event.ledger, event.memory, event.gfp
    if ledger is None or memory is None or gfp is None or gfp.highest_zone not in _LOW_ZONES:
        return None
    above = sum(loss.pages for loss in ledger.losses if loss.reason == "zones above reach")
    elsewhere = hidden_free_pages(memory) + above
    if elsewhere <= ledger.free_pages - above + 2 * MAX_THRESHOLD_PAGES:
        return None
    return Advice(
        text=f"one kind of memory is short, {gfp.highest_zone}, to which GFP_{gfp.highest_zone} holds the "
        f"request; {event.size_of(elsewhere)} are free elsewhere. Let fewer requests need it: a device "
        "or driver with a 64-bit DMA mask, an IOMMU for a driver that uses the DMA interface, fewer or "
        "smaller buffers of such devices",
        command=command("ls /sys/class/iommu; grep -A 8 {} /proc/zoneinfo", f"zone *{gfp.highest_zone}$"),
        undo=ONLY_READS,
        verify=f"the zone {gfp.highest_zone} in /proc/zoneinfo stays above its min; an IOMMU is listed",
    )


def update_kernel(event: AllocFailure) -> Advice | None:
    """Say which kernels count the reserve right, where this one subtracts what is not even free."""
    blocks = event.ledger.zone.zone.blocks if event.ledger and event.ledger.zone else None
    version = version_of(event.release)
    if blocks is None or any("H" in (block.types or "") for block in blocks):
        return None
    return None if version is not None and version >= _FREE_PART_SINCE else advice.COUNT_FREE_HIGHATOMIC


CHECK_THE_SIZE = Advice(
    text="follow the size from the caller that the trace names; a missing limit there is a bug"
)
COLLECT_MORE = Advice(
    text="next time keep the whole report, and what memory looked like",
    command="dmesg > report.txt; cat /proc/zoneinfo /proc/buddyinfo /proc/pagetypeinfo > memory.txt",
    undo="rm report.txt memory.txt",
    verify="report.txt has the report from its headline to `pages reserved` or `pages hwpoisoned`",
)
