# SPDX-License-Identifier: GPL-2.0-or-later
"""
/proc/pagetypeinfo: free blocks by migrate type, and how many pageblocks belong to each type.

    Page block order: 9
    Node    0, zone   Normal, type    Unmovable      0      0    284    355    116     67     26
    Node 0, zone   Normal           84         2860          128            0            0

Root only since 5.4. Source: mm/vmstat.c, pagetypeinfo_show().
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

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


class AtLeast(NamedTuple):
    """A number of blocks; `more`: the kernel stopped counting there (">100000"), since 5.5."""

    blocks: int
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeOfType:
    """Free blocks of one zone that lie in pageblocks of one migrate type, order 0 first."""

    node: int
    zone: str
    type: str
    counts: tuple[AtLeast, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pageblocks:
    """
    How many pageblocks of a zone belong to a migrate type.

    `mixed`: instead, how many of them hold pages of other types, which needs page_owner.
    """

    node: int
    zone: str
    type: str
    count: int
    mixed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pagetypeinfo:
    """Types are the kernel's words (Unmovable, Movable, Reclaimable, HighAtomic, CMA, Isolate, Reserve)."""

    pageblock_order: int | None
    free: tuple[FreeOfType, ...]
    pageblocks: tuple[Pageblocks, ...]


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
        counts=tuple(
            AtLeast(int(count.strip(">")), count[0] == ">") for count in counts if count.strip(">").isdigit()
        ),
    )


def _pageblocks(lines: list[str]) -> Iterator[Pageblocks]:
    types: list[str] = []
    mixed = False
    for line in lines:
        if head := _TYPES.fullmatch(line):
            types, mixed = head["types"].split()[:MAX_TYPES], bool(head["mixed"])
        elif found := _BLOCKS.fullmatch(line):
            for kind, count in zip(types, found["counts"].split(), strict=False):
                yield Pageblocks(
                    node=int(found["node"]), zone=found["zone"], type=kind, count=int(count), mixed=mixed
                )
