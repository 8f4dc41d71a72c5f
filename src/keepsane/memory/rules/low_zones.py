# SPDX-License-Identifier: GPL-2.0-or-later
"""Low zones: memory that old devices and 32-bit kernels need, and that may be short while much is free."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import CannotTell, Clear, rule
from keepsane.kernel.pages.failed_request import FailedRequest
from keepsane.kernel.pages.zone import ZONES, Zone, zone_name
from keepsane.memory.rules.amount import pages_words
from keepsane.memory.rules.harm import quote_failures, recent_failures
from keepsane.memory.rules.needs import need_zones
from keepsane.memory.rules.quote import quote_meminfo, quote_risen, quote_zone
from keepsane.memory.rules.setting import change
from keepsane.memory.rules.zones import newest_zones, size_pages
from keepsane.memory.state import MemoryState
from keepsane.report import Advice, Finding
from keepsane.words import counted

RATIO = "vm.lowmem_reserve_ratio"


@rule("dma32-exhausted", on=MemoryState)
def dma32_exhausted(state: MemoryState) -> Finding | Clear:
    """
    The memory below 4 GB is used up, while higher memory is free.

    What it means: a device that can only address 4 GB, or its driver, finds no memory, however much is free
    above. Programs do not notice.

    How we know: every DMA32 zone is at or below its min watermark, without the pages kept from others, and a
    higher zone is above its high watermark. The kernel log has the failures, if there were any.

    What to do: let the device reach more (an IOMMU, a driver with a 64-bit mask), or keep more of DMA32 from
    other requests: a smaller second number in vm.lowmem_reserve_ratio.

    When it is wrong: where no device needs it, it harms nobody.
    """
    zones = need_zones(state)
    low, high = [zone for zone in zones if zone.name == "DMA32"], [zone for zone in zones if _is_above(zone)]
    if not low or not high:
        return Clear("there is no DMA32 zone below another one: no memory is kept apart there")
    free, rich = max(low, key=_above_min), max(high, key=lambda zone: zone.free_pages - zone.high_pages)
    said = f"{zone_name(free)} has {pages_words(state, free.free_pages)} free, its min watermark is at "
    said += pages_words(state, free.min_pages)
    if _above_min(free) > 0 or rich.free_pages <= rich.high_pages:
        return Clear(f"{said}; {zone_name(rich)} has {pages_words(state, rich.free_pages)}")
    failed = _failed_below(state, "DMA32")
    return Finding(
        severity="warning" if failed else "info",
        confidence="high" if failed else "medium",
        title="memory below 4 GB is used up",
        evidence=(
            *quote_zone(state, free, "free", "min"),
            *quote_zone(state, rich),
            *quote_failures(state, failed[-2:]),
        ),
        explanation=f"{said}, while {pages_words(state, rich.free_pages)} are free in {zone_name(rich)}. "
        + _failed_words(failed),
        advice=tuple(_reach_higher(state)),
        references=("Documentation/admin-guide/sysctl/vm.rst, lowmem_reserve_ratio",),
    )


def _is_above(zone: Zone) -> bool:
    return zone.name in ZONES and ZONES.index("DMA32") < ZONES.index(zone.name) < ZONES.index("Device")


def _above_min(zone: Zone) -> int:
    return zone.free_pages - (zone.min_pages - min(zone.boost_pages or 0, zone.min_pages))


def _failed_below(state: MemoryState, highest: str) -> list[FailedRequest]:
    names = ZONES[: ZONES.index(highest) + 1]
    failed = recent_failures(state)
    return [request for request in failed if request.gfp and request.gfp.highest_zone in names]


def _failed_words(failed: list[FailedRequest]) -> str:
    if not failed:
        return "No request for it is seen to fail."
    return f"By the log {counted(len(failed), 'request')} for it failed lately."


def _reach_higher(state: MemoryState) -> Iterator[Advice]:
    yield Advice(text="let the device reach all of memory: an IOMMU, or a driver that sets a 64-bit DMA mask")
    now = (state.sysctl(RATIO) or "").split()
    # Where the kernel has no DMA zone, DMA32 is the first number.
    names = [zone.name for zone in newest_zones(state, empty=True)]
    at = 1 if "DMA" in names else 0
    if len(now) <= at or not all(re.fullmatch(r"\d{1,10}", part, re.ASCII) for part in now):
        return
    if int(now[at]) == 1:  # no number keeps more: 0 keeps nothing
        return
    ratio = int(now[at]) // 2 or 256
    value = " ".join([*now[:at], str(ratio), *now[at + 1 :]])
    yield change(
        state,
        RATIO,
        value,
        now=" ".join(now),
        text=f"keep more of DMA32 from other requests: a ratio of {ratio} rather than {now[at]}",
        verify="the protection of DMA32 in /proc/zoneinfo has grown, and free in it rises above min",
        risk="programs can use that much less memory",
    )


@rule("dma-zone-gone", on=MemoryState)
def dma_zone_gone(state: MemoryState) -> Finding | Clear:
    """
    The DMA zone is there and has no pages.

    What it means: a request for memory below 16 MB fails at once, with a warning in the log. Kdump kernels
    and machines whose memory begins higher are like that.

    How we know: every DMA zone in /proc/zoneinfo manages 0 pages.

    What to do: nothing; hardly any device needs it. A driver that asks for GFP_DMA without need can be fixed.

    When it is wrong: a device of the ISA kind, or of a board with a narrow bus, does need it.
    """
    dma = [zone for zone in need_zones(state, empty=True) if zone.name == "DMA"]
    if not dma:
        return Clear("there is no DMA zone")
    if any(zone.managed_pages is None for zone in dma):
        raise CannotTell("zoneinfo has no managed pages (before 3.9)")
    if pages := sum(map(size_pages, dma)):
        return Clear(f"the DMA zone is there, with {pages} pages")
    failed = _failed_below(state, "DMA")
    return Finding(
        severity="info",
        confidence="high",
        title="the DMA zone is empty: requests for it fail, mostly without harm",
        evidence=(*quote_zone(state, dma[0], "managed"), *quote_failures(state, failed[-2:])),
        explanation="No page of it is managed. " + _failed_words(failed),
        references=("mm/page_alloc.c, warn_alloc()",),
    )


@rule("lowmem-32bit", on=MemoryState)
def lowmem_32bit(
    state: MemoryState, *, stalls_per_second: float = 1.0, high_percent: float = 10.0
) -> Finding | Clear:
    """
    A 32-bit kernel has used up the memory it can address itself, while high memory is free.

    What it means: slabs, page tables, kernel stacks and network buffers must lie in the first 900 MB or so.
    When that is full the OOM killer comes, with gigabytes free.

    How we know: meminfo has HighTotal; the zone Normal is at its min watermark, or below low while tasks
    reclaim, and more than a tenth of HighMem is free.

    What to do: run a 64-bit kernel, which runs 32-bit programs too. Otherwise: fewer threads and open files,
    or a kernel built with another split (VMSPLIT_2G).

    When it is wrong: for a moment low memory may be that short before kswapd has caught up.
    """
    zones = need_zones(state)
    high = [zone for zone in zones if zone.name == "HighMem"]
    normal = [zone for zone in zones if zone.name == "Normal"]
    if not high or not normal:
        return Clear("there is no high memory: the kernel can address all of it")
    low, rich = max(normal, key=_above_min), max(high, key=lambda zone: zone.free_pages)
    stalls = state.rate("allocstall")
    said = f"{zone_name(low)} has {low.free_pages} pages free, min is {low.min_pages}, low {low.low_pages}; "
    said += f"{pages_words(state, rich.free_pages)} of high memory are free"
    stalled = stalls is not None and stalls >= stalls_per_second
    if not (_above_min(low) <= 0 or (low.free_pages < low.low_pages and stalled)):
        return Clear(said)
    if 100 * rich.free_pages <= high_percent * size_pages(rich):
        return Clear(f"{said}: all of memory is short")
    return Finding(
        severity="warning",
        confidence="high",
        title="low memory is used up on a 32-bit kernel",
        evidence=(
            *quote_zone(state, low, "free", "min"),
            *quote_zone(state, rich),
            *quote_meminfo(state, "LowFree"),
            *quote_risen(state, "allocstall"),
        ),
        explanation=f"{said}. What the kernel itself needs cannot lie there.",
        advice=(
            Advice(text="run a 64-bit kernel: it runs 32-bit programs too"),
            Advice(text="until then fewer threads and open files, or a kernel built with VMSPLIT_2G"),
        ),
        references=("Documentation/mm/highmem.rst",),
    )
