# SPDX-License-Identifier: GPL-2.0-or-later
"""
/proc/pagetypeinfo: free blocks by migrate type, how many pageblocks belong to each, and what that reserves.

    Page block order: 9
    Node    0, zone   Normal, type    Unmovable      0      0    284    355    116     67     26
    Node 0, zone   Normal           84         2860          128            0            0

Root only since 5.4. The type HighAtomic is the reserve for atomic requests of higher order (since 4.4).
Source: mm/vmstat.c, pagetypeinfo_show(); mm/page_alloc.c, reserve_highatomic_pageblock().
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from keepsane.kernel.pages.zone import Zone
from keepsane.memory.proc.buddyinfo import MAX_ORDERS
from keepsane.memory.proc.counters import whole_lines

MAX_LINES = 65_536
MAX_TYPES = 16

_ORDER = re.compile(r"Page block order: (\d{1,2})\r?")
_FREE = re.compile(
    r"Node {1,5}(?P<node>\d{1,5}), zone {1,9}(?P<zone>\w{1,16}), type {1,13}(?P<type>\w{1,16}) "
    r"(?P<counts>[ \d>]{1,900})\r?",
    re.ASCII,
)
_TYPES = re.compile(r"Number of (?P<mixed>mixed )?blocks(?: type)? {1,9}(?P<types>[\w ]{1,300})\r?", re.ASCII)
_BLOCKS = re.compile(
    r"Node (?P<node>\d{1,5}), zone {1,9}(?P<zone>\w{1,16}) (?P<counts>[ \d]{1,400})\r?", re.ASCII
)


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


class FreeOfType(NamedTuple):
    """
    Free blocks of one zone that lie in pageblocks of one migrate type, order 0 first.

    Since 5.5 the kernel stops counting at 100,000: there are at least as many.
    """

    node: int
    zone: str
    type: str
    counts: tuple[int, ...]


class Pageblocks(NamedTuple):
    """How many pageblocks of a zone belong to a migrate type."""

    node: int
    zone: str
    type: str
    blocks: int


class Highatomic(NamedTuple):
    """Pages of one zone in pageblocks of the reserve, and how many of them are free."""

    reserved: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pagetypeinfo:
    """Types are the kernel's words (Unmovable, Movable, Reclaimable, HighAtomic, CMA, Isolate, Reserve)."""

    pageblock_order: int | None
    free: tuple[FreeOfType, ...]
    pageblocks: tuple[Pageblocks, ...]

    def highatomic_pages(self, zone: Zone) -> Highatomic | None:
        """A zone's reserve; None where the zone or the size of a pageblock is not listed."""
        place = zone.node, zone.name, "HighAtomic"
        held = next((own.blocks for own in self.pageblocks if own[:3] == place), None)
        free = next((own.counts for own in self.free if own[:3] == place), None)
        if self.pageblock_order is None or held is None or free is None:
            return None
        pages = sum(count << order for order, count in enumerate(free))
        return Highatomic(reserved=held << self.pageblock_order, free=pages)


def parse_pagetypeinfo(text: str) -> Pagetypeinfo:
    """
    Read /proc/pagetypeinfo; the part for each node follows the one before.

    Source: mm/vmstat.c, pagetypeinfo_showfree_print(), pagetypeinfo_showblockcount_print().
    """
    lines = whole_lines(text)[:MAX_LINES]
    order = next((found for line in lines if (found := _ORDER.fullmatch(line))), None)
    return Pagetypeinfo(
        pageblock_order=int(order[1]) if order else None,
        free=tuple(_free(found) for line in lines if (found := _FREE.fullmatch(line))),
        pageblocks=tuple(_pageblocks(lines)),
    )


def _free(found: re.Match[str]) -> FreeOfType:
    counts = found["counts"].split()[:MAX_ORDERS]
    return FreeOfType(
        node=int(found["node"]),
        zone=found["zone"],
        type=found["type"],
        counts=tuple(int(number) for count in counts if (number := count.strip(">")).isdigit()),
    )


def _pageblocks(lines: list[str]) -> Iterator[Pageblocks]:
    types: list[str] = []
    for line in lines:
        if head := _TYPES.fullmatch(line):
            # With page_owner a second table counts pageblocks that hold pages of other types.
            types = [] if head["mixed"] else head["types"].split()[:MAX_TYPES]
        elif found := _BLOCKS.fullmatch(line):
            for kind, count in zip(types, found["counts"].split(), strict=False):
                yield Pageblocks(int(found["node"]), found["zone"], kind, int(count))
