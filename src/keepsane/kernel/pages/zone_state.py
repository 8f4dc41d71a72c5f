# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the numbers of a zone imply: may a request reach it, what is kept from it, how much of min is boost.

Source: mm/page_alloc.c, setup_per_zone_lowmem_reserve(), __setup_per_zone_wmarks(); mm/vmstat.c,
calculate_normal_threshold().
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations, pairwise

from keepsane.kernel.pages.mem_info import MemInfo
from keepsane.kernel.pages.zone import ZONES, FreeBlocks, Zone

LOWMEM = ("DMA", "DMA32", "Normal")
"""Zones that the kernel itself can always use; min_free_kbytes is shared out among them."""
MAX_THRESHOLD_PAGES = 125
MAX_CPUS = 8192
MAX_ORDER = 20
"""Far above any kernel's largest block: a larger order in a log is damage."""


def is_within_reach(zone: Zone, highest_zone: str) -> bool:
    """Tell whether a zone is not above the highest that a request may use; device memory always is."""
    return zone.name != "Device" and is_below(zone.name, highest_zone)


def is_below(name: str, highest_zone: str) -> bool:
    """Tell whether a zone is the named one or below it; a name that is no zone's is not."""
    return {name, highest_zone} <= set(ZONES) and ZONES.index(name) <= ZONES.index(highest_zone)


def is_empty(zone: Zone) -> bool:
    """Tell whether a zone has no pages to give: none managed, or no sign of any where that is not printed."""
    if zone.managed_pages is not None:
        return zone.managed_pages == 0
    return zone.present_pages == 0 or not (zone.present_pages or zone.free_pages or zone.high_pages)


def reserve_pages(zone: Zone, highest_zone: str, names: tuple[str, ...]) -> int | None:
    """
    Give the pages of a zone that are kept from requests which may also use higher zones.

    The entry counts the zones that the kernel was built with, which the report does not list: every list of
    the right length that has the zones printed (`names`, of this node) is tried, first those in which a
    zone adds pages where it is printed and none where it is not. None where these differ, or there is none.
    """
    if zone.name == highest_zone:
        return 0
    entries = zone.lowmem_reserve_pages
    if entries is None or len(entries) > len(ZONES):
        return None
    return _entry_of(zone.name, entries, highest_zone, frozenset({*names, zone.name}))


@lru_cache(1024)
def _entry_of(name: str, entries: tuple[int, ...], highest_zone: str, printed: frozenset[str]) -> int | None:
    lists = [built for built in combinations(ZONES, len(entries)) if _could_be_built(built, printed)]
    upto = [tuple(name for name in built if is_below(name, highest_zone)) for built in lists]
    likely = [below for below in upto if _explains(below, entries, name, printed)]
    found = {entries[len(below) - 1] for below in likely or upto}
    return found.pop() if len(found) == 1 else None


def _could_be_built(built: tuple[str, ...], printed: frozenset[str]) -> bool:
    both = {"DMA32", "HighMem"}
    return printed | {"Normal"} <= set(built) and (both <= printed or not both <= set(built))


def _explains(below: tuple[str, ...], entries: tuple[int, ...], name: str, printed: frozenset[str]) -> bool:
    above = range(below.index(name) + 1, len(below)) if name in below else range(0)
    return all((entries[at] > entries[at - 1]) == (below[at] in printed) for at in above)


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
    fitting = (entry for entry in blocks if order <= entry.order <= MAX_ORDER and entry.count > 0)
    return sum(
        entry.count << entry.order
        for entry in fitting
        if entry.types is None or set(entry.types) & set(types)
    )


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


def lacks_zones(mem_info: MemInfo, highest_zone: str) -> bool:
    """
    Tell whether a zone that a request may use exists and is not printed.

    A zone keeps pages from requests for higher zones only where there are such zones, and more of them with
    each zone: so lowmem_reserve tells how many there are. Since 6.1 those above the request's are left out.
    """
    nodes = {zone.node for zone in mem_info.zones}
    return any(
        _lacks_zones([zone for zone in mem_info.zones if zone.node == node], highest_zone) for node in nodes
    )


def _lacks_zones(zones: list[Zone], highest_zone: str) -> bool:
    known = sorted((zone for zone in zones if zone.name in ZONES), key=lambda zone: ZONES.index(zone.name))
    if not known:
        return False
    if _zones_above(known[-1]):
        return not is_below(highest_zone, known[-1].name)
    filled = [zone for zone in known if not is_empty(zone)]
    return any(_zones_above(zone) > len(filled) - at for at, zone in enumerate(filled, 1))


def _zones_above(zone: Zone) -> int:
    entries = zone.lowmem_reserve_pages or ()
    return sum(entry > before for before, entry in pairwise(entries))


def hidden_free_pages(mem_info: MemInfo) -> int:
    """Give how much is free beyond the zones printed; 0 where that may be the counters' lag."""
    printed, total = sum(zone.free_pages for zone in mem_info.zones), mem_info.total("free")
    slack = len(mem_info.zones) * 2 * MAX_THRESHOLD_PAGES
    return total - printed if total is not None and printed + slack + total // 20 < total else 0


def hides_free_memory(mem_info: MemInfo) -> bool:
    """Tell whether the zones printed have clearly less free than the totals say: then some are missing."""
    return hidden_free_pages(mem_info) > 0
