# SPDX-License-Identifier: GPL-2.0-or-later
"""The zones of memory: how large they are, and which node is full while another is not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from keepsane.kernel.pages.zone import Zone
from keepsane.memory.proc.buddyinfo import with_blocks
from keepsane.memory.rules.amount import pages_words
from keepsane.memory.state import MemorySample, MemoryState

FULL = 1.2
"""A zone that holds less free memory than its high watermark times this is full: kswapd keeps it there."""
PLENTY = 2.0
"""A zone has plenty that holds more than its high watermark times this."""
MAIN_PART = 10
"""A zone is one of the main ones that has at least this part of all pages."""


class Imbalance(NamedTuple):
    """Two zones of two nodes as one sample saw them; `free` is None where no other node has plenty."""

    sample: MemorySample
    full: Zone
    free: Zone | None


def size_pages(zone: Zone) -> int:
    """The pages that a zone has to give; kernels before 3.9 do not print "managed"."""
    return (zone.present_pages if zone.managed_pages is None else zone.managed_pages) or 0


def zones_of(sample: MemorySample, *, empty: bool = False) -> tuple[Zone, ...]:
    """The zones of one sample, those without pages only where `empty` asks for them."""
    return tuple(zone for zone in sample.zoneinfo or () if empty or size_pages(zone))


def newest_zones(state: MemoryState, *, empty: bool = False) -> tuple[Zone, ...]:
    """The zones of the newest sample that has any."""
    return state.newest(lambda sample: zones_of(sample, empty=empty) or None) or ()


def zones_with_blocks(state: MemoryState) -> tuple[Zone, ...]:
    """The zones of the newest sample that has their free blocks too: numbers of one moment."""
    return state.newest(lambda sample: _with_blocks(sample) or None) or ()


def _with_blocks(sample: MemorySample) -> tuple[Zone, ...]:
    found = with_blocks(zones_of(sample), sample.buddyinfo or {})
    return tuple(zone for zone in found if zone.blocks is not None)


def main_zones(zones: Iterable[Zone]) -> tuple[Zone, ...]:
    """Those that matter to the machine as a whole: DMA with its 16 MB rarely does."""
    found = tuple(zones)
    total = sum(map(size_pages, found))
    return tuple(zone for zone in found if size_pages(zone) * MAIN_PART >= total > 0)


def largest_zones(sample: MemorySample) -> tuple[Zone, ...]:
    """The largest zone of each node: what its tasks live in. The small ones are held back for devices."""
    by_node: dict[int | None, Zone] = {}
    for zone in zones_of(sample):
        known = by_node.get(zone.node)
        if known is None or size_pages(zone) > size_pages(known):
            by_node[zone.node] = zone
    return tuple(by_node.values())


def nodes_with_memory(state: MemoryState) -> tuple[int, ...]:
    """The nodes that have memory; none where neither /sys nor zoneinfo was read."""
    for sample in reversed(state.samples):
        known = [node.node for node in sample.nodes if node.has_memory]
        seen = {zone.node for zone in zones_of(sample) if zone.node is not None}
        if known or seen:
            return tuple(known or sorted(seen))
    return ()


def is_full(zone: Zone) -> bool:
    """Whether the zone has little more than its high watermark free, or less."""
    return zone.high_pages > 0 and zone.free_pages < FULL * zone.high_pages


def has_plenty(zone: Zone) -> bool:
    """Whether the zone has far more than its high watermark free."""
    return zone.high_pages > 0 and zone.free_pages > PLENTY * zone.high_pages


def scanned_rate(state: MemoryState) -> float | None:
    """Pages scanned per second for the whole machine, by kswapd and by tasks; None where neither is known."""
    rates = [rate for name in ("pgscan_direct", "pgscan_kswapd") if (rate := state.rate(name)) is not None]
    return sum(rates) if rates else None


def imbalance(state: MemoryState) -> Imbalance | None:
    """The newest sample that saw a full node beside one with plenty, else one with a full node."""
    found = [seen for sample in reversed(state.samples) for seen in _imbalances(sample)]
    return next((seen for seen in found if seen.free), found[0] if found else None)


def latest_imbalance(state: MemoryState) -> Imbalance | None:
    """What the newest sample with zones saw: what is reclaimed in the end is not for want of a free node."""
    latest = state.newest(lambda sample: sample if sample.zoneinfo is not None else None)
    return next(_imbalances(latest), None) if latest is not None else None


def _imbalances(sample: MemorySample) -> Iterator[Imbalance]:
    zones = largest_zones(sample)
    full = min(filter(is_full, zones), key=lambda zone: zone.free_pages / zone.high_pages, default=None)
    if full is not None:
        rich = filter(has_plenty, zones)
        yield Imbalance(sample, full, max(rich, key=lambda zone: zone.free_pages, default=None))


def imbalance_words(state: MemoryState, found: Imbalance) -> str:
    """Say where memory is free and where it is not, in one sentence, for a reader who does not know zones."""
    full = found.full
    said = (
        f"node {full.node} is full: {pages_words(state, full.free_pages)} are free in its zone {full.name}, "
        f"where the kernel keeps up to {pages_words(state, full.high_pages)} back (high watermark)"
    )
    if found.free is None:
        return f"{said[0].upper()}{said[1:]}; no other node has plenty."
    return f"{pages_words(state, found.free.free_pages)} are free on node {found.free.node}, while {said}."
