# SPDX-License-Identifier: GPL-2.0-or-later
"""
The list of a zone's free blocks, by their size.

    Node 0 DMA32: 259*4kB (UM) 0*8kB 1*16kB (H) 0*32kB = 1052kB
    Normal: 98*4kB 16*8kB = 520kB                                    before 3.10 without migrate types
    HighMem: empty                                                   2.6

The kernel adds the list up itself, from the same counts: a sum that differs is a damaged line.
Source: mm/show_mem.c, show_free_areas() and show_migration_types().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.events.show_mem.lines import ZONE_NAME
from keepsane.kernel.log.groups import read
from keepsane.kernel.pages.zone import FreeBlocks

LIST = re.compile(ZONE_NAME + r":(?:\s+\d|\s+empty|\s*+$)")
_BLOCK = re.compile(r"(\d{1,12})\*(\d{1,8})kB(?: \(([A-Z]{1,8})\))?")
_SUM = re.compile(r"=\s{0,8}(\d{1,15})kB\s{0,8}+$")
MAX_ORDERS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockList:
    """
    One list as printed: (count, kibibytes, types) from the smallest block on; `types` "" where none stand.

    `damage` says in words what is wrong with the line, "" where it adds up.
    """

    name: str
    node: int | None = None
    line: int
    sizes: tuple[tuple[int, int, str], ...]
    damage: str


def parse_block_list(text: str, line: int) -> BlockList | None:
    """
    Read a list of free blocks; None where the text is none.

    Accepted format:
        Node 0 DMA: 0*4kB 0*8kB 1*16kB (U) 0*32kB 2*64kB (UM) = 144kB
    """
    found = LIST.match(text)
    if found is None:
        return None
    sizes = tuple((int(count), int(size), types) for count, size, types in _BLOCK.findall(text)[:MAX_ORDERS])
    damage = "" if found[0].endswith("empty") else _damage(text, sizes)
    return read(BlockList, found, line=line, sizes=sizes, damage=damage)


def _damage(text: str, sizes: tuple[tuple[int, int, str], ...]) -> str:
    total = _SUM.search(text)
    if total is None or not sizes:
        return "is cut off"
    doubles = all(size == sizes[0][1] << order for order, (_, size, _) in enumerate(sizes))
    if not doubles or sum(count * size for count, size, _ in sizes) != int(total[1]):
        return "does not add up"
    return ""


def free_blocks(blocks: BlockList, *, lettered: bool) -> tuple[FreeBlocks, ...]:
    """Number the sizes by order; `lettered` says whether this report prints migrate types at all."""
    return tuple(
        FreeBlocks(order=order, count=count, types=types if lettered else None)
        for order, (count, _, types) in enumerate(blocks.sizes)
    )
