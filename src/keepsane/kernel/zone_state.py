# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the numbers of a zone imply: may a request reach it, what is kept from it, how much of min is boost.

Source: mm/page_alloc.c, setup_per_zone_lowmem_reserve(), __setup_per_zone_wmarks(); mm/vmstat.c,
calculate_normal_threshold().
"""

from __future__ import annotations

from itertools import combinations

from keepsane.kernel.zone import ZONES, FreeBlocks, Zone

LOWMEM = ("DMA", "DMA32", "Normal")
"""Zones that the kernel itself can always use; min_free_kbytes is shared out among them."""
MAX_THRESHOLD_PAGES = 125
MAX_CPUS = 8192
MAX_ORDER = 20
"""Far above any kernel's largest block: a larger order in a log is damage."""


def is_within_reach(zone: Zone, highest_zone: str) -> bool:
    """Tell whether a zone is not above the highest that a request may use."""
    if zone.name not in ZONES[:-1] or highest_zone not in ZONES:
        return False
    return ZONES.index(zone.name) <= ZONES.index(highest_zone)


def is_empty(zone: Zone) -> bool:
    """Tell whether a zone has no pages to give: none managed, or no sign of any where that is not printed."""
    if zone.managed_pages is not None:
        return zone.managed_pages == 0
    return zone.present_pages == 0 or not (zone.present_pages or zone.free_pages or zone.high_pages)


def reserve_pages(zone: Zone, highest_zone: str, names: tuple[str, ...]) -> int | None:
    """
    Give the pages of a zone that are kept from requests which may also use higher zones.

    The entry counts the zones that the kernel was built with, which the report does not list: every list of
    the right length that has the zones printed is tried. None where these differ, or nothing was printed.
    """
    if zone.name == highest_zone:
        return 0
    entries = zone.lowmem_reserve_pages
    if entries is None or len(entries) > len(ZONES):
        return None
    found = set()
    for built in combinations(ZONES, len(entries)):
        if _could_be_built(built, names):
            below = [name for name in built if ZONES.index(name) <= ZONES.index(highest_zone)]
            found.add(entries[len(below) - 1])
    return found.pop() if len(found) == 1 else None


def _could_be_built(built: tuple[str, ...], names: tuple[str, ...]) -> bool:
    printed = set(names)
    both = {"DMA32", "HighMem"}
    return printed | {"Normal"} <= set(built) and (both <= printed or not both <= set(built))


def boost_pages(zone: Zone) -> int:
    """
    Give the boost that is contained in the printed watermarks.

    Where it is not printed (before 5.12) the least it can be: low lies at least a quarter of the unboosted
    min above min, and both are boosted alike, so a min of more than four times that gap contains a boost.
    Source: mm/page_alloc.c, __setup_per_zone_wmarks().
    """
    if zone.boost_pages is not None:
        return min(zone.boost_pages, zone.min_pages)
    if zone.name not in LOWMEM:
        return 0
    return max(0, zone.min_pages - 4 * max(0, zone.low_pages - zone.min_pages) - 3)


def blocks_for(blocks: tuple[FreeBlocks, ...], order: int, types: str) -> int:
    """
    Count the pages in free blocks of at least an order, of which some lie in one of the migrate types.

    A list's letters say which types occur in it, not how many blocks of each.
    """
    fitting = (one for one in blocks if order <= one.order <= MAX_ORDER and one.count > 0)
    return sum(one.count << one.order for one in fitting if one.types is None or set(one.types) & set(types))


def drift_pages(zone: Zone, cpus: int | None, page_bytes: int = 4096) -> int:
    """
    Say by how much a zone's counters may lag behind.

    Each CPU keeps up to a threshold of changes to itself. Without the number of CPUs one CPU's largest
    threshold is taken, 125 pages. Source: mm/vmstat.c, calculate_normal_threshold().
    """
    if cpus is None:
        return MAX_THRESHOLD_PAGES
    cpus = min(max(cpus, 1), MAX_CPUS)
    units = (zone.managed_pages or zone.present_pages or 0) * page_bytes >> 27
    return cpus * min(MAX_THRESHOLD_PAGES, 2 * cpus.bit_length() * (1 + units.bit_length()))
