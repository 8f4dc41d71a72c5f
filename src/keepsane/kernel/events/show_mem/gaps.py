# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a memory report lacks: a judgement that needs the missing part must not be made.

Every kernel prints all zones, then all lists of free blocks, then the page cache, swap and RAM.
Source: mm/show_mem.c, __show_mem().
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from keepsane.kernel.events.show_mem.free_blocks import BlockList
from keepsane.kernel.events.show_mem.lines import MemoryLine
from keepsane.kernel.events.show_mem.zone_line import ZONE, is_cut
from keepsane.kernel.pages.mem_info import MemInfo
from keepsane.kernel.pages.zone import name_on_node, zone_name

MOST_NAMED = 8
"""Missing parts beyond these are only counted."""


def gaps(
    info: MemInfo, lists: Sequence[BlockList], *, zone_lines: Sequence[MemoryLine], elided: bool, old: bool
) -> list[str]:
    """
    Say in words what is missing or damaged, each its own string; empty where the report is whole.

    `old` is a kernel that prints the lists of each CPU (before 3.19): there a caller that could not sleep
    got no count of RAM (SHOW_MEM_FILTER_PAGE_COUNT).
    """
    missing = [*_zones(info, zone_lines), *_lists(info, lists)]
    if len(missing) > MOST_NAMED:
        missing = [*missing[:MOST_NAMED], f"{len(missing) - MOST_NAMED} further parts"]
    if info.zones and not _ends(info, old=old):
        missing.append("its end is missing")
    if elided:
        missing.append("lines were left out where only dots stand")
    return missing


def are_zones_whole(info: MemInfo, lists: Sequence[BlockList], zone_lines: Sequence[MemoryLine]) -> bool:
    """
    Tell whether every zone's line is there, once, up to its end.

    A line that a person ended with dots is: what stands before them is not cut. Every zone keeps as many
    entries of lowmem_reserve, so a shorter list ends inside a number.
    """
    entries = {len(zone.lowmem_reserve_pages) for zone in info.zones if zone.lowmem_reserve_pages}
    names = [(zone.node, zone.name) for zone in info.zones]
    read = {zone.line for zone in info.zones}
    whole = all(
        line.line in read and (not is_cut(line.text) or line.text.endswith("...")) for line in zone_lines
    )
    listed = {(blocks.node, blocks.name) for blocks in lists if blocks.sizes}
    return whole and len(entries) < 2 and len(set(names)) == len(names) and listed <= set(names)


def _zones(info: MemInfo, lines: Sequence[MemoryLine]) -> list[str]:
    if not lines:
        return ["no line of a zone"]
    said = []
    read = {zone.line for zone in info.zones}
    for line in lines:
        found = ZONE.match(line.text)
        name = name_on_node(int(found["node"]) if found["node"] else None, found["name"]) if found else ""
        if line.line not in read or is_cut(line.text):
            said.append(f"the end of the line of {name}")
    said += [
        f"no lowmem_reserve of {zone_name(zone)}" for zone in info.zones if zone.lowmem_reserve_pages is None
    ]
    longest = max((len(zone.lowmem_reserve_pages or ()) for zone in info.zones), default=0)
    said += [
        f"the end of the lowmem_reserve of {zone_name(zone)}"
        for zone in info.zones
        if 0 < len(zone.lowmem_reserve_pages or ()) < longest
    ]
    twice = [
        name for name, count in Counter((zone.node, zone.name) for zone in info.zones).items() if count > 1
    ]
    return said + [f"{name_on_node(*name)} stands here twice: two reports are mixed" for name in twice]


def _lists(info: MemInfo, lists: Sequence[BlockList]) -> list[str]:
    listed = {(blocks.node, blocks.name) for blocks in lists}
    zones = {(zone.node, zone.name): zone for zone in info.zones}
    said = [f"no list of free blocks of {name_on_node(*key)}" for key in zones if key not in listed]
    for blocks in lists:
        name = name_on_node(blocks.node, blocks.name)
        if blocks.damage:
            said.append(f"the list of free blocks of {name} {blocks.damage}")
        if (blocks.node, blocks.name) not in zones and blocks.sizes:
            said.append(f"no line of {name}, only its free blocks")
    return said


def _ends(info: MemInfo, *, old: bool) -> bool:
    """Tell whether the lines after the lists are there, as far as this kernel prints them."""
    return info.reserved_pages is not None or (old and info.swap_total_kibibytes is not None)
