# SPDX-License-Identifier: GPL-2.0-or-later
"""
What to change, sized from the numbers of the report.

Advice never lowers a value that is set. What a change would have meant for this very request is replayed by
the kernel's own arithmetic (keepsane.kernel.pages.what_if).
"""

from __future__ import annotations

from keepsane.kernel.events.alloc_failure.failure import AllocFailure
from keepsane.kernel.events.show_mem.usage import usage
from keepsane.kernel.pages.gfp import version_of
from keepsane.kernel.pages.mem_info import MemInfo
from keepsane.kernel.pages.watermark import ZoneLedger
from keepsane.kernel.pages.what_if import DEFAULT_SCALE_FACTOR, SCALED_SINCE, min_free_kibibytes_of, what_if
from keepsane.kernel.pages.zone_state import MAX_THRESHOLD_PAGES, boost_pages, hidden_free_pages
from keepsane.report import Advice
from keepsane.shell import command

MOST_OF_MEMORY = 50
"""One fiftieth of memory is the most that is advised to be kept free."""
_FURTHEST_SCALE_FACTOR = 300
_WORTH_A_CHANGE = 4
"""What would not have been enough is not advised where it is less than this part more."""
_ONLY_READS = "nothing is changed"
_PROACTIVE_SINCE = (5, 9)
_LOW_ZONES = ("DMA", "DMA32")
_FREE_PART_SINCE = (6, 12)
_KEEP = "; to keep it, put `{name} = {value}` into /etc/sysctl.d/60-memory.conf"


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
    most = whole // MOST_OF_MEMORY
    wanted = next((one for one in _doublings(now, most) if _would_pass(event, one)), None)
    value = wanted or min(max(2 * now, whole // 500), most)
    if value <= now + (0 if wanted else now // _WORTH_A_CHANGE):
        return None
    return Advice(
        text=f"{_when(event)}keep more memory free for requests that cannot wait: vm.min_free_kbytes from "
        f"about {now} to {value}{_effect(event, value)}"
        + _KEEP.format(name="vm.min_free_kbytes", value=value),
        command=command("sysctl -w vm.min_free_kbytes={}", value),
        undo=command("sysctl -w vm.min_free_kbytes={}  # or what sysctl vm.min_free_kbytes said before", now),
        verify="no further `page allocation failure` in the log; `min` in /proc/zoneinfo has grown",
        risk=f"{(value - now) / 1024:.0f} MB less for programs and page cache; far too large a value makes "
        "the OOM killer come early",
    )


def _is_race(event: AllocFailure) -> bool:
    return event.ledger is not None and event.ledger.verdict == "race"


def _when(event: AllocFailure) -> str:
    return "if it comes again, " if _is_race(event) else ""


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
        text=f"{_when(event)}keep more memory free for requests that cannot wait: double vm.min_free_kbytes. "
        "The report does not print every zone, so read the value that is set first",
        command="sysctl vm.min_free_kbytes",
        undo=_ONLY_READS,
        verify="no further `page allocation failure` in the log",
        risk="far too large a value makes the OOM killer come early: stay below a fiftieth of memory",
    )


def _doublings(now: int, most: int) -> list[int]:
    found = []
    value = 2 * now
    while 0 < value <= most:
        found.append(value)
        value *= 2
    return found


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
    if event.gfp is None or event.gfp.may_sleep:
        return None
    version = version_of(event.release) if event.release else None
    if event.memory is None or version is None or version < SCALED_SINCE or not _can_reclaim(event.memory):
        return None
    now = _scale_factor(event)
    value = min(max(5 * now, 50), _FURTHEST_SCALE_FACTOR)
    if value <= now or not _widens(event, value):
        return None
    name = "vm.watermark_scale_factor"
    return Advice(
        text=f"wake kswapd, which frees memory in the background, earlier: there is page cache that it can "
        f"drop. {name} from {now} to {value}. This raises the low and high watermarks, not the reserve"
        + _KEEP.format(name=name, value=value),
        command=command("sysctl -w {}={}", name, value),
        undo=command("sysctl -w {}={}", name, now),
        verify="allocstall_* in /proc/vmstat rises more slowly, and the report does not come again",
        risk="a little less page cache, a little more work for kswapd",
    )


def _scale_factor(event: AllocFailure) -> int:
    """Deduce the factor from the gap between min and low; where min alone set the gap, the default."""
    decides = event.ledger.zone.zone if event.ledger and event.ledger.zone else None
    if decides is None or not decides.managed_pages:
        return DEFAULT_SCALE_FACTOR
    gap, least = decides.low_pages - decides.min_pages, (decides.min_pages - boost_pages(decides)) // 4
    return round(gap * 10000 / decides.managed_pages) if gap > least else DEFAULT_SCALE_FACTOR


def _widens(event: AllocFailure, scale_factor: int) -> bool:
    """Tell whether the marks lie further apart then: a large min alone may set them further apart still."""
    decides = event.ledger.zone.zone if event.ledger and event.ledger.zone else None
    if decides is None or not decides.managed_pages:
        return True
    return decides.managed_pages * scale_factor // 10000 > decides.low_pages - decides.min_pages


def _can_reclaim(memory: MemInfo) -> bool:
    parts = usage(memory)
    reclaimable_kibibytes = sum(part.kibibytes for part in parts if part.reclaimable)
    return 20 * reclaimable_kibibytes > sum(part.kibibytes for part in parts)


def ask_for_less(event: AllocFailure) -> Advice | None:
    """Advise to ask for smaller blocks."""
    if not event.order or event.memory is None:
        return None
    size = (event.memory.page_bytes << event.order) // 1024
    return Advice(
        text=f"let the caller ask for less than {size} kB in one piece: a smaller MTU or no jumbo frames for "
        "a network card, smaller rings or buffers for a device, kvmalloc() in a driver of your own",
        verify="the headline shows a lower order, or does not come again",
    )


def compact(event: AllocFailure) -> Advice | None:
    """Advise compaction, which moves pages together."""
    if not event.order:
        return None
    version = version_of(event.release) if event.release else None
    proactive = version is not None and version >= _PROACTIVE_SINCE
    keep = "; to have it done all the time, raise vm.compaction_proactiveness (20 at first) to 40"
    return Advice(
        text="put free pages together" + (keep if proactive else ""),
        command="echo 1 > /proc/sys/vm/compact_memory",
        undo="pages are only moved"
        + ("; of the setting: sysctl -w vm.compaction_proactiveness=20" if proactive else ""),
        verify=f"/proc/buddyinfo has blocks of order {event.order} and more (the column counts from order 0)",
        risk="it takes a CPU for a while, and memory of drivers cannot be moved",
    )


def let_the_device_reach_more(event: AllocFailure) -> Advice | None:
    """Say how the lower zones are opened, and that it has a price."""
    return Advice(
        text="only where the devices that need low memory are gone: larger numbers in "
        "vm.lowmem_reserve_ratio keep less of the lower zones back",
        command="sysctl vm.lowmem_reserve_ratio",
        undo=_ONLY_READS,
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
        f"request; {_mebibytes(memory, elsewhere)} are free elsewhere. Let fewer requests need it: a device "
        "or driver with a 64-bit DMA mask, an IOMMU for a driver that uses the DMA interface, fewer or "
        "smaller buffers of such devices",
        command=command("ls /sys/class/iommu; grep -A 8 {} /proc/zoneinfo", f"zone *{gfp.highest_zone}$"),
        undo=_ONLY_READS,
        verify=f"the zone {gfp.highest_zone} in /proc/zoneinfo stays above its min; an IOMMU is listed",
    )


def shrink_cma(event: AllocFailure) -> Advice | None:
    """Say how much CMA holds."""
    memory = event.memory
    if memory is None:
        return None
    free, whole = memory.total("free_cma"), memory.cma_pages
    held = f" of {_mebibytes(memory, whole)}" if whole else ""
    said = f"{_mebibytes(memory, free)}{held} of CMA are free; " if free else ""
    return Advice(
        text=f"{said}reserve no more than the devices need: `cma=` on the kernel's command line, or the "
        "size in the device tree",
        command="grep -i cma /proc/meminfo /proc/cmdline",
        undo=_ONLY_READS,
        verify="CmaTotal in /proc/meminfo after the reboot; the devices (camera, video, display) still work",
        risk="a device that needs one large block may not get it",
    )


def _mebibytes(memory: MemInfo, pages: int) -> str:
    return f"{pages * memory.page_bytes / (1 << 20):.0f} MB"


def update_kernel(event: AllocFailure) -> Advice | None:
    """Say which kernels count the reserve right, where this one subtracts what is not even free."""
    blocks = event.ledger.zone.zone.blocks if event.ledger and event.ledger.zone else None
    version = version_of(event.release) if event.release else None
    if blocks is None or any("H" in (one.types or "") for one in blocks):
        return None
    if version is not None and version >= _FREE_PART_SINCE:
        return None
    return Advice(
        text="nothing of the reserve is free, and this kernel subtracts it all the same: use 6.12 or later, "
        "which subtracts the free part only",
        command="uname -r",
        undo=_ONLY_READS,
        verify="the report does not come again",
    )


def widen_cpuset(event: AllocFailure) -> Advice | None:
    """Say where the binding is set."""
    allowed = ",".join(map(str, event.mems_allowed or ()))
    group = f"the cpuset {event.cpuset}" if event.cpuset else "the task's cpuset"
    return Advice(
        text=f"give {group} a node whose memory the request may use, one with a Normal zone"
        + (f" (it allows node {allowed})" if allowed else ""),
        command="cat /sys/fs/cgroup/$GROUP/cpuset.mems.effective",
        undo=_ONLY_READS,
        verify="mems_allowed in /proc/PID/status lists the node",
        risk="memory of another node is slower to reach",
    )


def check_the_size(event: AllocFailure) -> Advice | None:
    """Say where the size comes from."""
    return Advice(text="follow the size from the caller that the trace names; a missing limit there is a bug")


def collect_more(event: AllocFailure) -> Advice | None:
    """Say what would help next time."""
    return Advice(
        text="next time keep the whole report, and what memory looked like",
        command="dmesg > report.txt; cat /proc/zoneinfo /proc/buddyinfo /proc/pagetypeinfo > memory.txt",
        undo="rm report.txt memory.txt",
        verify="report.txt has the report from its headline to `pages reserved` or `pages hwpoisoned`",
    )
