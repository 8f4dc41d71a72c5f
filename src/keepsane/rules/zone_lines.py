# SPDX-License-Identifier: GPL-2.0-or-later
"""Zones for rules: which are there, with their free blocks, and the lines that say so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from keepsane.kernel.zone import Zone, zone_name
from keepsane.memory.buddyinfo import with_blocks
from keepsane.memory.state import MemorySample, MemoryState
from keepsane.model import Evidence

ZONEINFO = "proc/zoneinfo"
MAIN_PART = 10
"""A zone is one of the main ones that has at least this part of all pages."""


def size_pages(zone: Zone) -> int:
    """The pages that a zone has to give; kernels before 3.9 do not print "managed"."""
    return (zone.present_pages if zone.managed_pages is None else zone.managed_pages) or 0


def newest_zones(state: MemoryState, *, empty: bool = False) -> tuple[Zone, ...]:
    """The zones of the newest sample that has any, those without pages only where `empty` asks for them."""
    return state.newest(lambda sample: zones_of(sample, empty=empty) or None) or ()


def zones_of(sample: MemorySample, *, empty: bool = False) -> tuple[Zone, ...]:
    """The zones of one sample."""
    every = sample.zoneinfo.zones if sample.zoneinfo else ()
    return tuple(one.zone for one in every if empty or size_pages(one.zone))


def zones_with_blocks(state: MemoryState) -> tuple[Zone, ...]:
    """The zones of the newest sample that has their free blocks too: numbers of one moment."""
    return state.newest(lambda sample: _with_blocks(sample) or None) or ()


def _with_blocks(sample: MemorySample) -> tuple[Zone, ...]:
    found = with_blocks(zones_of(sample), sample.buddyinfo or ())
    return tuple(zone for zone in found if zone.blocks is not None)


def main_zones(zones: Iterable[Zone]) -> tuple[Zone, ...]:
    """Those that matter to the machine as a whole: DMA with its 16 MB rarely does."""
    found = tuple(zones)
    total = sum(map(size_pages, found))
    return tuple(zone for zone in found if size_pages(zone) * MAIN_PART >= total > 0)


def quote_zone(state: MemoryState, zone: Zone, name: str = "free") -> Iterator[Evidence]:
    """Quote the line `name` of a zone in the newest zoneinfo."""
    sample = next((one for one in reversed(state.samples) if zones_of(one, empty=True)), None)
    if sample is None:
        return
    head = re.compile(rf"Node {zone.node:d}, zone {{1,16}}{re.escape(zone.name)}\s*")
    line_of = re.compile(rf"\s{{1,16}}(?:pages )?{re.escape(name)}[: ].*")
    inside = False
    for number, line in enumerate((sample.snapshot.text(ZONEINFO) or "").splitlines(), 1):
        if line.startswith("Node "):
            inside = head.fullmatch(line) is not None
        elif inside and line_of.fullmatch(line):
            name_of_sample = f"t{state.samples.index(sample)}"
            yield Evidence(number, line.strip(), zone_name(zone), f"{name_of_sample}/{ZONEINFO}")
            return
