# SPDX-License-Identifier: GPL-2.0-or-later
"""
The watermarks that another vm.min_free_kbytes or vm.watermark_scale_factor would give, and the check by them.

    min:2784kB low:3480kB high:4176kB    of 2816 kB; with 8192 kB min is 8099 kB

Source: mm/page_alloc.c, __setup_per_zone_wmarks(); before Linux kernel commit 795ae7a0de6b ("mm: scale kswapd
watermarks in proportion to memory") (in v4.6) low and high depend on min alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from keepsane.kernel.pages.ledger import Ledger, account
from keepsane.kernel.pages.mem_info import MemInfo
from keepsane.kernel.pages.watermark_form import Request
from keepsane.kernel.pages.zone import ZONES, Zone
from keepsane.kernel.pages.zone_state import LOWMEM, boost_pages, hides_free_memory

SCALED_SINCE = (4, 6)
DEFAULT_SCALE_FACTOR = 10
MAX_SCALE_FACTOR = 3000
CLAMP_PAGES = (32, 128)
"""What min is held within in HighMem (SWAP_CLUSTER_MAX and four times that), lately in Movable too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """
    A failed request, checked again by other watermarks.

    `same_free` takes the free memory as it was logged, so a larger min can only make it worse. `kept_free`
    adds to each zone what its min grew by: what other requests, which stop at min, would have left. It is
    an estimate. Both are None where `why` says what is missing. `zones` have the new watermarks, with
    the boost that they had.
    """

    why: str = ""
    zones: tuple[Zone, ...] = ()
    same_free: Ledger | None = None
    kept_free: Ledger | None = None


def min_free_kibibytes_of(mem_info: MemInfo) -> int | None:
    """
    Deduce vm.min_free_kbytes from the minima of the zones, without boost.

    Each zone's min is rounded down to a page, so the sum is up to a page a zone too small. None where zones
    that share it are not printed, or may not be.
    """
    if not mem_info.zones or _hides_zones(mem_info):
        return None
    pages = sum(zone.min_pages - boost_pages(zone) for zone in mem_info.zones if not _is_clamped(zone))
    return pages * mem_info.page_bytes // 1024


def what_if(
    mem_info: MemInfo,
    request: Request,
    *,
    min_free_kibibytes: int | None = None,
    watermark_scale_factor: int | None = None,
    cpus: int | None = None,
) -> WhatIf:
    """
    Recompute each zone's watermarks as the kernel would, and check the request by them.

    `watermark_scale_factor` is in ten-thousandths of a zone and moves low and high only: it wakes kswapd
    earlier and changes nothing in the check. Raises ValueError where a value is out of the kernel's range.
    """
    if min_free_kibibytes is not None and min_free_kibibytes < 0:
        raise ValueError(f"min_free_kbytes cannot be {min_free_kibibytes}")
    if watermark_scale_factor is not None and not 1 <= watermark_scale_factor <= MAX_SCALE_FACTOR:
        raise ValueError(f"watermark_scale_factor goes from 1 to {MAX_SCALE_FACTOR}")
    shared = sum(zone.managed_pages or 0 for zone in mem_info.zones if not _is_clamped(zone))
    if not shared or any(zone.managed_pages is None for zone in mem_info.zones) or _hides_zones(mem_info):
        return WhatIf(why="the sizes of all zones are needed, and not all are printed")
    share = None
    if min_free_kibibytes is not None:
        share = (min_free_kibibytes * 1024 // mem_info.page_bytes, shared)
    if share is not None and share[0] >= shared:
        return WhatIf(why="the zones do not have so much memory")
    scaled = request.version is None or request.version >= SCALED_SINCE
    zones = tuple(
        _with_marks(zone, share, watermark_scale_factor if scaled else None, scaled)
        for zone in mem_info.zones
    )
    kept = tuple(
        replace(new, free_pages=new.free_pages + max(0, new.min_pages - old.min_pages))
        for new, old in zip(zones, mem_info.zones, strict=True)
    )
    return WhatIf(
        zones=zones,
        same_free=account(replace(mem_info, zones=zones), request, cpus=cpus),
        kept_free=account(replace(mem_info, zones=kept), request, cpus=cpus),
    )


def _with_marks(zone: Zone, share: tuple[int, int] | None, scale: int | None, scaled: bool) -> Zone:
    """Set a zone's watermarks; `share` is (pages to share out, pages of the zones that share)."""
    if share is None and scale is None:
        return zone
    managed = zone.managed_pages or 0
    old_min = zone.min_pages - boost_pages(zone)
    part = old_min if share is None else share[0] * managed // share[1]
    least = _least_gap(zone, old_min, scaled) if scale is None else managed * scale // 10000
    gap = max(part // 4, least)
    # The boost comes of blocks of mixed migrate types, whatever the settings.
    new_min = (old_min if _is_clamped(zone) else part) + boost_pages(zone)
    # Before 4.6 half of min, rounded on its own.
    twice = 2 * gap if scaled else part // 2
    return replace(zone, min_pages=new_min, low_pages=new_min + gap, high_pages=new_min + twice)


def _least_gap(zone: Zone, old_min: int, scaled: bool) -> int:
    """Give the gap that the scale factor in force sets; where min alone set it, the default's."""
    gap = zone.low_pages - zone.min_pages
    if not scaled:
        return 0
    return gap if gap > old_min // 4 else (zone.managed_pages or 0) * DEFAULT_SCALE_FACTOR // 10000


def _is_clamped(zone: Zone) -> bool:
    """Tell whether a zone has its own min, by its value: which kernels clamp Movable too is not printed."""
    if zone.name in LOWMEM:
        return False
    least, most = CLAMP_PAGES
    own = None if zone.managed_pages is None else min(max(zone.managed_pages // 1024, least), most)
    return zone.name == "HighMem" or zone.min_pages == own


def _hides_zones(mem_info: MemInfo) -> bool:
    """
    Tell whether zones may be missing: 6.1 prints none above the request's, others leave out a cpuset's.

    A zone keeps pages from requests for higher zones only where there are such zones, and all zones
    together have the free memory of the totals.
    """
    if mem_info.lacks and all(zone.blocks is None for zone in mem_info.zones):
        return True
    if any(_has_more_above(zone) for zone in _highest(mem_info)):
        return True
    return hides_free_memory(mem_info)


def _highest(mem_info: MemInfo) -> Iterator[Zone]:
    for node in {zone.node for zone in mem_info.zones}:
        yield max(
            (zone for zone in mem_info.zones if zone.node == node),
            key=lambda zone: ZONES.index(zone.name) if zone.name in ZONES else -1,
        )


def _has_more_above(zone: Zone) -> bool:
    return zone.lowmem_reserve_pages is None or any(zone.lowmem_reserve_pages)
