# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the kernel itself would keep free: vm.min_free_kbytes as it is set at boot.

    lowmem 24,684,092 kB    4 * sqrt(lowmem) = 19,873 kB
    three zones, THP on     512 * 3 * (2 + 3 * 3) pages = 67,584 kB

The larger of the two holds. Lowmem is what the kernel itself can use: every zone up to Normal.
Source: mm/page_alloc.c, calculate_min_free_kbytes(); mm/khugepaged.c, set_recommended_min_free_kbytes().
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isqrt

from keepsane.kernel.pages.gfp_tables import Version
from keepsane.kernel.pages.zone import Zone
from keepsane.kernel.pages.zone_state import LOWMEM

LEAST_KIBIBYTES, MOST_KIBIBYTES, MOST_UNTIL_5_7 = 128, 262_144, 65_536
"""The limits; the upper one since Linux kernel commit ee8eb9a5fe86 ("mm/page_alloc: increase default
min_free_kbytes bound") (in v5.8)."""
RAISED = (5, 8)
MIGRATE_PCPTYPES = 3
"""Unmovable, movable and reclaimable: for each pair of them one pageblock in each zone."""


def lowmem_pages(zones: Iterable[Zone]) -> int | None:
    """The pages that the kernel itself can use; None where a zone does not say how many it manages."""
    found = [
        zone.present_pages if zone.managed_pages is None else zone.managed_pages
        for zone in zones
        if zone.name in LOWMEM
    ]
    return None if not found or None in found else sum(pages or 0 for pages in found)


def default_kibibytes(lowmem_kibibytes: int, version: Version | None = None) -> int:
    """Give what the kernel sets at boot, without transparent hugepages."""
    most = MOST_UNTIL_5_7 if version is not None and version < RAISED else MOST_KIBIBYTES
    return min(max(isqrt(lowmem_kibibytes * 16), LEAST_KIBIBYTES), most)


def thp_pages(zones: int, pageblock_pages: int, lowmem: int) -> int:
    """Give what transparent hugepages raise it to, at most a twentieth of lowmem; `zones` have memory."""
    return min(pageblock_pages * zones * (2 + MIGRATE_PCPTYPES * MIGRATE_PCPTYPES), lowmem // 20)
