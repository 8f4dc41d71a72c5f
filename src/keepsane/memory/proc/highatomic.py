# SPDX-License-Identifier: GPL-2.0-or-later
"""
The reserve for atomic requests of higher order, as /proc/pagetypeinfo shows it (since 4.4, root only).

    Node    0, zone   Normal, type   HighAtomic      2      0      1      0      0      0      0
    Node 0, zone   Normal           84         2860          128            3            0

Source: mm/page_alloc.c, reserve_highatomic_pageblock().
"""

from __future__ import annotations

from typing import NamedTuple

from keepsane.kernel.pages.zone import Zone
from keepsane.memory.proc.pagetypeinfo import Pagetypeinfo

TYPE_LETTERS = {
    "Unmovable": "U",
    "Movable": "M",
    "Reclaimable": "E",
    "HighAtomic": "H",
    "CMA": "C",
    "Isolate": "I",
    "Reserve": "R",
}
"""How a failed allocation's report writes the migrate types (mm/show_mem.c, show_migration_types())."""
PRINTS_SINCE = (6, 12)
"""Since "mm/page_alloc: keep track of free highatomic" the check counts what is free of the reserve."""


class Highatomic(NamedTuple):
    """Pages of one zone in pageblocks of the reserve, and how many of them are free."""

    reserved: int
    free: int


def highatomic_pages(types: Pagetypeinfo, zone: Zone) -> Highatomic | None:
    """Give a zone's reserve; None where pagetypeinfo does not list the zone or the size of a pageblock."""
    order, place = types.pageblock_order, (zone.node, zone.name, "HighAtomic")
    counts = [
        one.count for one in types.pageblocks if not one.mixed and (one.node, one.zone, one.type) == place
    ]
    free = [one.counts for one in types.free if (one.node, one.zone, one.type) == place]
    if order is None or not counts or not free:
        return None
    pages = sum(count.blocks << at for at, count in enumerate(free[0]))
    return Highatomic(reserved=counts[0] << order, free=pages)
