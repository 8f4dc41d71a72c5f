# SPDX-License-Identifier: GPL-2.0-or-later
"""
Would a request for memory succeed now? The kernel's own check, zone by zone, by the numbers of a sample.

A pass says that the check passes at the min watermark, as before the kernel gives up. A request that may
sleep and does not pass has not failed: the kernel then reclaims and compacts.

Source: mm/page_alloc.c, get_page_from_freelist(), __zone_watermark_ok().
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from keepsane.kernel.pages.gfp import Gfp, gfp_in, mask_of, table_of, version_of
from keepsane.kernel.pages.watermark import PAGEBLOCK_PAGES, ZoneLedger, check_zone
from keepsane.kernel.pages.watermark_form import Request
from keepsane.kernel.pages.zone import FreeBlocks, Zone
from keepsane.kernel.pages.zone_state import MAX_ORDER, blocks_for
from keepsane.memory.proc.buddyinfo import with_blocks
from keepsane.memory.proc.pagetypeinfo import PRINTS_SINCE, TYPE_LETTERS, Pagetypeinfo
from keepsane.memory.state import MemorySample, MemoryState

ZONE_FLAGS = {
    "DMA": "|__GFP_DMA",
    "DMA32": "|__GFP_DMA32",
    "Normal": "",
    "HighMem": "|__GFP_HIGHMEM",
    "Movable": "|__GFP_HIGHMEM|__GFP_MOVABLE",
}
"""What a request says to be served from at most this zone (include/linux/gfp.h, gfp_zone())."""
NEWEST = (99,)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZonePreflight:
    """
    One zone: the account of the check, and its free blocks.

    `blocks` counts the free blocks of at least the order asked for, whoever may use them; `requests` how
    many such requests they hold. Both are None where /proc/buddyinfo does not list the zone.
    """

    ledger: ZoneLedger
    blocks: int | None
    requests: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """
    The answer: `outcome` for the whole machine, or the one node asked about, and each zone's own.

    It passes where one zone passes. `why` says which, or what is in the way, in words.
    """

    request: Request | None
    outcome: Literal["passes", "fails", "unknown"]
    why: str
    zones: tuple[ZonePreflight, ...] = ()


def preflight(
    state: MemoryState, order: int, node: int | None = None, zone: str | None = None, *, atomic: bool = False
) -> Preflight:
    """
    Check a request for 2**`order` pages in every zone of the newest sample that has them.

    `zone` is the highest zone that the request may use (Normal where none is named), `node` the only node.
    `atomic` asks as GFP_ATOMIC does, else as GFP_KERNEL. Raises ValueError where there is no such order or
    zone.
    """
    if not 0 <= order <= MAX_ORDER:
        raise ValueError(f"an order goes from 0 to {MAX_ORDER}, not {order}")
    if zone is not None and zone not in ZONE_FLAGS:
        raise ValueError(f"no request can ask for zone {zone}: there are {', '.join(ZONE_FLAGS)}")
    sample = state.newest(lambda sample: sample if sample.zoneinfo else None)
    if sample is None:
        return Preflight(request=None, outcome="unknown", why="/proc/zoneinfo was not read")
    request = _request(state, order, node, zone or "Normal", atomic=atomic)
    orders = max(map(len, (sample.buddyinfo or {}).values()), default=MAX_ORDER + 1)
    if order >= orders:
        why = f"this kernel has no blocks of order {order}: the largest is {orders - 1}"
        return Preflight(request=request, outcome="fails", why=why)
    zones = _zones(sample, request, node)
    page_bytes = (state.machine.page_kibibytes or 4) * 1024
    checked = tuple(_checked(mine, zones, request, state.machine.cpus, page_bytes) for mine in zones)
    return replace(_answer(checked, request, node), zones=checked, request=request)


def _request(state: MemoryState, order: int, node: int | None, zone: str, *, atomic: bool) -> Request:
    version = version_of(state.machine.release)
    table = table_of(version or NEWEST)
    names = ("GFP_ATOMIC" if atomic else "GFP_KERNEL") + ZONE_FLAGS[zone]
    mask = mask_of(table, names + ("" if node is None else "|__GFP_THISNODE"))
    return Request(
        order=order,
        gfp=None if mask is None else gfp_in(table, mask),
        version=version,
        nodes=None if node is None else (node,),
    )


def _zones(sample: MemorySample, request: Request, node: int | None) -> tuple[Zone, ...]:
    """The zones with pages, on the node that was asked about, with their blocks and what is held back."""
    every = sample.zoneinfo or ()
    mine = (zone for zone in every if zone.managed_pages != 0 and node in (None, zone.node))
    zones = with_blocks(mine, sample.buddyinfo or {})
    if sample.pagetypeinfo is None:
        return zones
    return tuple(_with_types(zone, sample.pagetypeinfo, request) for zone in zones)


def _with_types(zone: Zone, types: Pagetypeinfo, request: Request) -> Zone:
    """Add what /proc/pagetypeinfo knows: the types in which blocks lie, and the highatomic reserve."""
    reserve = types.highatomic_pages(zone)
    prints_free = request.version is None or request.version >= PRINTS_SINCE
    return replace(
        zone,
        blocks=None if zone.blocks is None else _lettered(zone.blocks, zone, types),
        reserved_highatomic_pages=None if reserve is None else reserve.reserved,
        free_highatomic_pages=reserve.free if reserve and prints_free else None,
    )


def _lettered(blocks: Iterable[FreeBlocks], zone: Zone, types: Pagetypeinfo) -> tuple[FreeBlocks, ...]:
    own = [free for free in types.free if (free.node, free.zone) == (zone.node, zone.name)]

    def letters(order: int) -> str:
        there = (free.type for free in own if order < len(free.counts) and free.counts[order])
        return "".join(TYPE_LETTERS.get(kind, "") for kind in there)

    return tuple(replace(block, types=letters(block.order)) if own else block for block in blocks)


def _checked(
    zone: Zone, zones: tuple[Zone, ...], request: Request, cpus: int | None, page_bytes: int
) -> ZonePreflight:
    names = tuple(other.name for other in zones if other.node == zone.node)
    ledgers = tuple(
        check_zone(supposed, request, names=names, cpus=cpus, page_bytes=page_bytes)
        for supposed in _with_reserve(zone, request)
    )
    order = request.order
    fitting = None if zone.blocks is None else [block for block in zone.blocks if block.order >= order]
    return ZonePreflight(
        ledger=_unless_hidden(_agreed(ledgers), request),
        blocks=None if fitting is None else sum(block.count for block in fitting),
        requests=None if fitting is None else sum(block.count << block.order - order for block in fitting),
    )


def _most_highatomic(zone: Zone, request: Request) -> int:
    """The most that can be reserved: a hundredth of the zone and a block (reserve_highatomic_pageblock())."""
    if request.version is not None and request.version < (4, 4):
        return 0
    return (zone.managed_pages or zone.present_pages or 0) // 100 + PAGEBLOCK_PAGES


def _with_reserve(zone: Zone, request: Request) -> tuple[Zone, ...]:
    """The zone with the most and the least that may be reserved, where nobody was permitted to read it."""
    if zone.reserved_highatomic_pages is not None or not _most_highatomic(zone, request):
        return (zone,)
    ends = (_most_highatomic(zone, request), 0)
    return tuple(replace(zone, reserved_highatomic_pages=pages) for pages in ends)


def _agreed(ledgers: tuple[ZoneLedger, ...]) -> ZoneLedger:
    """The account that claims least; unknown where it matters how much is reserved."""
    first, last = ledgers[0], ledgers[-1]
    if first.outcome != "passes" and last.outcome != "passes":
        return last
    if first.outcome == "passes":
        return first if first.margin_pages == last.margin_pages else _at_least(first)
    return replace(
        first,
        outcome="unknown",
        why="it depends on what is held for atomic blocks, which only root can read (/proc/pagetypeinfo)",
    )


def _at_least(ledger: ZoneLedger) -> ZoneLedger:
    words = "the most that may be reserved for atomic blocks; how much is, only root can read"
    return replace(
        ledger,
        why=f"at least {ledger.why}",
        steps=tuple(
            step._replace(words=words) if step.name == "highatomic" else step for step in ledger.steps
        ),
        missing=(*ledger.missing, "reserved_highatomic"),
    )


def _unless_hidden(ledger: ZoneLedger, request: Request) -> ZoneLedger:
    """Doubt a pass where all blocks large enough may lie in CMA or the highatomic reserve."""
    zone, gfp = ledger.zone, request.gfp
    known = zone.blocks is None or any(block.types is not None for block in zone.blocks)
    if ledger.outcome != "passes" or known or not request.order or gfp is None or zone.blocks is None:
        return ledger
    if blocks_for(zone.blocks, request.order, "") > _out_of_bounds(zone, request, gfp):
        return ledger
    why = "there are few such blocks, and whether it may use them only root can read (/proc/pagetypeinfo)"
    return replace(ledger, outcome="unknown", why=why)


def _out_of_bounds(zone: Zone, request: Request, gfp: Gfp) -> int:
    cma = 0 if gfp.movable else zone.free_cma_pages or 0
    return cma + (_most_highatomic(zone, request) if gfp.may_sleep else 0)


def _answer(checked: tuple[ZonePreflight, ...], request: Request, node: int | None) -> Preflight:
    every = (zone.ledger for zone in checked)
    ledgers = [ledger for ledger in every if ledger.outcome not in ("out-of-reach", "zone-empty")]
    passing = [ledger for ledger in ledgers if ledger.outcome == "passes"]
    if passing:
        best = max(passing, key=lambda ledger: ledger.margin_pages or 0)
        return Preflight(request=request, outcome="passes", why=f"{_place(best)}: {best.why}")
    doubtful = next((ledger for ledger in ledgers if ledger.outcome == "unknown"), None)
    if doubtful is not None:
        return Preflight(request=request, outcome="unknown", why=f"{_place(doubtful)}: {doubtful.why}")
    if not ledgers:
        where = "this machine" if node is None else f"node {node}"
        return Preflight(request=request, outcome="fails", why=f"{where} has no zone that it may use")
    said = "; ".join(f"{_place(ledger)}: {ledger.why}" for ledger in ledgers[:8])
    then = " (it would reclaim and compact first)" if request.gfp and request.gfp.may_sleep else ""
    return Preflight(request=request, outcome="fails", why=said + then)


def _place(ledger: ZoneLedger) -> str:
    return f"node {ledger.zone.node} {ledger.zone.name}"
