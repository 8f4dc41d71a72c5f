# SPDX-License-Identifier: GPL-2.0-or-later
"""
One memory zone as the kernel prints it, in a failed allocation's report or in /proc/zoneinfo.

    Node 0 DMA32 free:1036kB min:2784kB low:3480kB high:4176kB ... present:1002112kB managed:980000kB
    lowmem_reserve[]: 0 0 5488 5488
    Node 0 DMA32: 259*4kB (UM) 0*8kB 1*16kB (H) = 1052kB

Everything is in pages; what a kernel does not print is None, never zero.
Source: mm/show_mem.c, show_free_areas() (until 6.3 mm/page_alloc.c); mm/vmstat.c, zoneinfo_show_print().
"""

from __future__ import annotations

from dataclasses import dataclass

ZONES = ("DMA", "DMA32", "Normal", "HighMem", "Movable", "Device")
"""Zone names in the kernel's order, the lowest first: a request falls back from its highest to the lower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeBlocks:
    """
    Free blocks of 2**`order` pages: how many, and which migrate types they lie in.

    `types` are the kernel's letters (U unmovable, M movable, E reclaimable, H highatomic, C CMA, I isolated,
    R reserve before 4.4), "" where there are no blocks, None where this kernel prints no letters.
    """

    order: int
    count: int
    types: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """
    One zone of one node, in pages.

    `line` is where the log printed it. `min_pages` to `high_pages` are the watermarks, boost included as the
    kernel prints them. `lowmem_reserve_pages` is indexed by the highest zone a request may use.
    `free_pcp_pages` lie on the lists of all CPUs and are not part of `free_pages`. `blocks` is None where no
    buddy line was printed or it does not add up; `all_unreclaimable` None where this line does not say it.
    `active_pages` and `inactive_pages` are what kernels before 2.6.28 print, anonymous and file together.
    """

    name: str
    node: int | None = None
    line: int = 0
    free_pages: int
    min_pages: int
    low_pages: int
    high_pages: int
    boost_pages: int | None = None
    present_pages: int | None = None
    managed_pages: int | None = None
    reserved_highatomic_pages: int | None = None
    free_highatomic_pages: int | None = None
    free_cma_pages: int | None = None
    free_pcp_pages: int | None = None
    local_pcp_pages: int | None = None
    active_pages: int | None = None
    inactive_pages: int | None = None
    active_file_pages: int | None = None
    inactive_file_pages: int | None = None
    active_anon_pages: int | None = None
    inactive_anon_pages: int | None = None
    unaccepted_pages: int | None = None
    all_unreclaimable: bool | None = None
    lowmem_reserve_pages: tuple[int, ...] | None = None
    blocks: tuple[FreeBlocks, ...] | None = None


def zone_name(zone: Zone) -> str:
    """Name a zone as the log does: `Node 0 DMA32`, or `Normal` where the kernel prints no node."""
    return name_on_node(zone.node, zone.name)


def name_on_node(node: int | None, name: str) -> str:
    """Name what a zone's line or list is of, where there may be no zone for it."""
    return name if node is None else f"Node {node} {name}"
