# SPDX-License-Identifier: GPL-2.0-or-later
"""
What to change, sized from the numbers of the report.

Advice never lowers a value that is set. What a change would have meant for this very request is replayed by
the kernel's own arithmetic (keepsane.kernel.what_if).
"""

from __future__ import annotations

from keepsane.kernel.alloc_failure import AllocFailure
from keepsane.kernel.failed_request import request_of
from keepsane.kernel.gfp import version_of
from keepsane.kernel.mem_info import MemInfo
from keepsane.kernel.mem_usage import usage
from keepsane.kernel.what_if import DEFAULT_SCALE_FACTOR, SCALED_SINCE, min_free_kibibytes_of, what_if
from keepsane.kernel.zone_state import boost_pages
from keepsane.model import Advice

MOST_OF_MEMORY = 50
"""One fiftieth of memory is the most that is advised to be kept free."""
_FURTHEST_SCALE_FACTOR = 300
_PROACTIVE_SINCE = (5, 9)
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
        return _read_first()
    most = whole // MOST_OF_MEMORY
    wanted = next((one for one in _doublings(now, most) if _would_pass(event, one)), None)
    value = wanted or min(max(2 * now, whole // 500), most)
    if value <= now:
        return None
    effect = (
        "by the numbers of this report the request would have been served"
        if wanted
        else "by the numbers of this report even that would not have been enough"
    )
    return Advice(
        text=f"keep more memory free for requests that cannot wait: vm.min_free_kbytes from about {now} to "
        f"{value}; {effect}" + _KEEP.format(name="vm.min_free_kbytes", value=value),
        command=f"sysctl -w vm.min_free_kbytes={value}",
        undo=f"sysctl -w vm.min_free_kbytes={now} (read it before: sysctl vm.min_free_kbytes)",
        verify="no further `page allocation failure` in the log; `min` in /proc/zoneinfo has grown",
        risk=f"{(value - now) / 1024:.0f} MB less for programs and page cache; far too large a value makes "
        "the OOM killer come early",
    )


def _read_first() -> Advice:
    return Advice(
        text="keep more memory free for requests that cannot wait: double vm.min_free_kbytes. The report does "
        "not print every zone, so read the value that is set first",
        command="sysctl vm.min_free_kbytes",
        verify="no further `page allocation failure` in the log",
        risk="more than a twentieth of memory makes the OOM killer come early",
    )


def _doublings(now: int, most: int) -> list[int]:
    found = []
    value = 2 * now
    while 0 < value <= most:
        found.append(value)
        value *= 2
    return found


def _would_pass(event: AllocFailure, min_free_kibibytes: int) -> bool:
    if event.memory is None:
        return False
    kept = what_if(event.memory, request_of(event), min_free_kibibytes=min_free_kibibytes).kept_free
    zone = kept.zone if kept is not None else None
    return zone is not None and zone.outcome == "passes" and not zone.borderline


def _managed_kibibytes(memory: MemInfo) -> int:
    return sum(zone.managed_pages or 0 for zone in memory.zones) * memory.page_bytes // 1024


def wake_kswapd_earlier(event: AllocFailure) -> Advice | None:
    """Advise a larger vm.watermark_scale_factor where kswapd has something to reclaim (since 4.6)."""
    version = version_of(event.release) if event.release else None
    if event.memory is None or version is None or version < SCALED_SINCE or not _can_reclaim(event.memory):
        return None
    now = _scale_factor(event)
    value = min(max(5 * now, 50), _FURTHEST_SCALE_FACTOR)
    if value <= now:
        return None
    name = "vm.watermark_scale_factor"
    return Advice(
        text=f"wake kswapd earlier, since there is page cache that it can drop: {name} from {now} to {value}. "
        "This raises the low and high watermarks, not the reserve" + _KEEP.format(name=name, value=value),
        command=f"sysctl -w {name}={value}",
        undo=f"sysctl -w {name}={now}",
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


def _can_reclaim(memory: MemInfo) -> bool:
    shares = usage(memory)
    return 20 * sum(share.pages for share in shares if share.reclaimable) > sum(one.pages for one in shares)


def ask_for_less(event: AllocFailure) -> Advice | None:
    """Advise to ask for smaller blocks."""
    if not event.order or event.memory is None:
        return None
    size = (event.memory.page_bytes << event.order) // 1024
    return Advice(
        text=f"let the caller ask for less than {size} kB in one piece: a smaller MTU or no jumbo frames for a "
        "network card, smaller rings or buffers for a device, kvmalloc() in a driver of your own",
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
        undo="sysctl -w vm.compaction_proactiveness=20" if proactive else None,
        verify=f"/proc/buddyinfo has blocks of order {event.order} and more (the column counts from order 0)",
        risk="it takes a CPU for a while, and memory of drivers cannot be moved",
    )


def let_the_device_reach_more(event: AllocFailure) -> Advice | None:
    """Say how the lower zones are opened, and that it has a price."""
    return Advice(
        text="only where the devices that need low memory are gone: larger numbers in "
        "vm.lowmem_reserve_ratio keep less of the lower zones back",
        command="sysctl vm.lowmem_reserve_ratio",
        verify="lowmem_reserve[] in the next report, or `protection:` in /proc/zoneinfo, is smaller",
        risk="requests that can use nothing but low memory fail then",
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
        text=f"{said}reserve no more than the devices need: `cma=` on the kernel's command line, or the size in "
        "the device tree",
        command="grep -i cma /proc/meminfo /proc/cmdline",
        verify="CmaTotal in /proc/meminfo after the reboot; the devices (camera, video, display) still work",
        risk="a device that needs one large block may not get it",
    )


def _mebibytes(memory: MemInfo, pages: int) -> str:
    return f"{pages * memory.page_bytes / (1 << 20):.0f} MB"


def update_kernel(event: AllocFailure) -> Advice | None:
    """Say which kernels count the reserve right."""
    return Advice(
        text="use a kernel that subtracts only the free part of the reserve (6.13, or one with that change)",
        command="uname -r",
        verify="a later report prints free_highatomic",
    )


def widen_cpuset(event: AllocFailure) -> Advice | None:
    """Say where the binding is set."""
    allowed = ",".join(map(str, event.mems_allowed or ()))
    group = event.cpuset or "the task's cpuset"
    return Advice(
        text=f"give {group} a node that has memory of this kind"
        + (f" (it allows {allowed})" if allowed else ""),
        command="cat /sys/fs/cgroup/$GROUP/cpuset.mems.effective",
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
    )
