# SPDX-License-Identifier: GPL-2.0-or-later
"""
/proc/buddyinfo: how many free blocks of each size a zone has.

    Node 0, zone    DMA32      1      2      4      2      5      4      3      3      4      2    752
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from keepsane.kernel.pages.zone import FreeBlocks, Zone
from keepsane.memory.proc.counters import whole_lines

MAX_ZONES = 4096
MAX_ORDERS = 32
"""More orders than any architecture has: arm64 with pages of 64 KiB goes up to 13, sparc64 to 16."""

_LINE = re.compile(
    r"Node (?P<node>\d{1,5}), zone {1,9}(?P<name>\w{1,16}) (?P<counts>[ \d]{1,700})\r?", re.ASCII
)


Blocks = Mapping[tuple[int | None, str], tuple[FreeBlocks, ...]]
"""The free blocks of each zone, by node and name, order 0 first."""


def parse_buddyinfo(text: str) -> Blocks:
    """
    Read /proc/buddyinfo; unpopulated zones are not in it.

    Source: mm/vmstat.c, frag_show_print().
    """
    found = [found for line in whole_lines(text)[:MAX_ZONES] if (found := _LINE.fullmatch(line))]
    return {(int(line["node"]), line["name"]): _blocks(line["counts"].split()) for line in found}


def _blocks(counts: list[str]) -> tuple[FreeBlocks, ...]:
    return tuple(FreeBlocks(order=order, count=int(count)) for order, count in enumerate(counts[:MAX_ORDERS]))


def with_blocks(zones: Iterable[Zone], buddyinfo: Blocks) -> tuple[Zone, ...]:
    """The zones, each with its free blocks; `blocks` stays None for a zone that buddyinfo does not list."""
    return tuple(replace(zone, blocks=buddyinfo.get((zone.node, zone.name))) for zone in zones)
