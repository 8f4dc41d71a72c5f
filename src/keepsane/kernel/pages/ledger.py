# SPDX-License-Identifier: GPL-2.0-or-later
"""
The account of one failed allocation: of all that was free, what could it use, and why was that not enough.

    of 35948 free pages a GFP_ATOMIC page could use none: 35784 are CMA, 164 lie below the watermark

The report is printed after the failure. Where the check would pass by then, memory was freed in between, and
nothing is said about the cause. Source: mm/page_alloc.c, __alloc_pages_slowpath().
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from keepsane.kernel.pages.gfp import COSTLY_ORDER, Gfp
from keepsane.kernel.pages.mem_info import MemInfo
from keepsane.kernel.pages.watermark import ZoneLedger, check_zone
from keepsane.kernel.pages.watermark_form import Request, forms_of, rights_of
from keepsane.kernel.pages.zone import Zone
from keepsane.kernel.pages.zone_state import MAX_ORDER, hides_free_memory, is_within_reach, lacks_zones
from keepsane.words import counted

Verdict = Literal[
    "shortage",
    "lowmem-reserve",
    "fragmentation",
    "cma-only",
    "highatomic-held",
    "cpuset-or-movable-only",
    "zone-empty",
    "reserves-exhausted",
    "policy-gives-up",
    "size-absurd",
    "race",
    "contradiction",
    "incomplete",
]
LARGEST_ORDER = 10
"""Of the largest block, unless a list of blocks goes further: MAX_ORDER, before 6.4 MAX_ORDER - 1."""


class Loss(NamedTuple):
    """Free pages that the request could not use, and what kept them from it."""

    reason: str
    pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """
    One verdict, and the account that it rests on.

    `zone` is the one that decides: the largest within reach. `needed_pages` and `usable_pages` are the
    numbers that decide there: what had to remain and what did, or for want of a block its size and the
    largest one. `part` is what an incomplete report says by itself. `gives_up` is why the kernel did not
    insist on serving the request, "" where it would have. `usable_total_pages` and the losses add up to
    `free_pages`, the free memory of the zones printed.
    """

    verdict: Verdict
    why: str
    zone: ZoneLedger | None = None
    needed_pages: int | None = None
    usable_pages: int | None = None
    part: Verdict | None = None
    gives_up: str = ""
    zones: tuple[ZoneLedger, ...] = ()
    free_pages: int = 0
    usable_total_pages: int = 0
    losses: tuple[Loss, ...] = ()


class _Said(NamedTuple):
    verdict: Verdict
    why: str
    zone: ZoneLedger | None = None


def account(mem_info: MemInfo, request: Request, *, cpus: int | None = None) -> Ledger:
    """
    Give the verdict on a failed request from what the report says of memory.

    `cpus` are those online, None where not known. A report that lacks a part which could change the verdict
    is incomplete.
    """
    zones = tuple(_known(zone, mem_info) for zone in mem_info.zones)
    names = _names_by_node(zones)
    checked = tuple(
        check_zone(zone, request, names=names[zone.node], cpus=cpus, page_bytes=mem_info.page_bytes)
        for zone in zones
    )
    said = _absurd(mem_info, request) or _decide(checked, request)
    said = _sized(said, checked, mem_info.page_bytes, request)
    lacks = _lacks(mem_info, request) if said.verdict != "size-absurd" else ""
    needed, usable = _numbers(said, request)
    losses = _losses(checked, request)
    free = sum(zone.free_pages for zone in zones)
    return Ledger(
        verdict="incomplete" if lacks else said.verdict,
        why=lacks or said.why,
        zone=said.zone,
        needed_pages=needed,
        usable_pages=usable,
        part=said.verdict if lacks and zones and said.verdict != "incomplete" else None,
        gives_up=gives_up(request),
        zones=checked,
        free_pages=free,
        usable_total_pages=free - sum(loss.pages for loss in losses),
        losses=losses,
    )


def _sized(said: _Said, checked: tuple[ZoneLedger, ...], page_bytes: int, request: Request) -> _Said:
    """Judge what vmalloc() was asked for by all of its pages, not by the first."""
    size = request.size_bytes
    if size is None or said.verdict not in ("race", "contradiction"):
        return said
    asked, usable = -(-size // page_bytes), sum(zone.usable_pages for zone in checked)
    if asked > usable:
        return _Said(
            "shortage", f"{counted(asked, 'page')} were asked for, and {usable} are usable", said.zone
        )
    why = "there is memory enough; whether vmalloc() had room for the addresses is not printed"
    return _Said("incomplete", why, said.zone)


def gives_up(request: Request) -> str:
    """
    Say why the kernel would not have insisted on a request that can wait; "" where it would.

    Source: mm/page_alloc.c, __alloc_pages_slowpath() and __alloc_pages_may_oom().
    """
    gfp = request.gfp
    if gfp is None or not gfp.may_sleep or gfp.nofail:
        return ""
    reasons = (
        (request.dying_task, "the task was dying"),
        (gfp.noretry, "__GFP_NORETRY asks to give up early"),
        ("__GFP_RETRY_MAYFAIL" in gfp.flags, "__GFP_RETRY_MAYFAIL allows to give up"),
        (request.order > COSTLY_ORDER, f"it does not above order {COSTLY_ORDER}"),
        (gfp.thisnode, "__GFP_THISNODE allows one node only, for which nothing is killed"),
    )
    return next((why for holds, why in reasons if holds), "")


def _names_by_node(zones: tuple[Zone, ...]) -> dict[int | None, tuple[str, ...]]:
    nodes = {zone.node for zone in zones}
    return {node: tuple(zone.name for zone in zones if zone.node == node) for node in nodes}


def _known(zone: Zone, mem_info: MemInfo) -> Zone:
    """Fill in what the totals say of a zone: where none has free CMA pages, or it is the only one."""
    total = mem_info.total("free_cma")
    only = len(mem_info.zones) == 1 and mem_info.total("free") == zone.free_pages
    if zone.free_cma_pages is not None or total is None or (total and not only):
        return zone
    return replace(zone, free_cma_pages=total)


def _absurd(mem_info: MemInfo, request: Request) -> _Said | None:
    orders = [block.order for zone in mem_info.zones for block in zone.blocks or ()]
    largest = max(*orders, LARGEST_ORDER) if orders else MAX_ORDER
    if request.order > min(largest, MAX_ORDER):
        return _Said("size-absurd", f"no block is larger than order {min(largest, MAX_ORDER)}")
    ram, size = mem_info.ram_pages, request.size_bytes
    if ram is not None and size is not None and size > ram * mem_info.page_bytes:
        return _Said("size-absurd", f"{size} bytes are more than the {ram} pages of RAM that there are")
    return None


def _lacks(mem_info: MemInfo, request: Request) -> str:
    """
    Say what is missing of what the verdict needs.

    The lists of free blocks come after all zones, so with one of them every zone was printed, unless lines
    are missing in between. Then the zones have less free than the totals say; so they have where the kernel
    prints the nodes of a cpuset only.
    """
    if request.gfp is None:
        return "what the request may use is not known: the report has no mode"
    if not mem_info.zones and (mem_info.lacks or mem_info.ram_pages is None):
        return mem_info.lacks or "no zone is printed"
    if request.size_bytes is not None and mem_info.ram_pages is None:
        return mem_info.lacks or "the size of RAM is not printed"
    if mem_info.zones and lacks_zones(mem_info, request.gfp.highest_zone):
        return "a zone that the request may use is not printed"
    listed = any(zone.blocks is not None for zone in mem_info.zones)
    hides = hides_free_memory(mem_info) and not _leaves_out_nodes(request)
    return mem_info.lacks if mem_info.zones and (hides or not listed or not mem_info.zones_whole) else ""


def _leaves_out_nodes(request: Request) -> bool:
    nodes = request.nodes or ()
    return len(set(nodes)) <= max(nodes, default=-1)


def _decide(checked: tuple[ZoneLedger, ...], request: Request) -> _Said:
    within = [zone for zone in checked if zone.outcome != "out-of-reach"]
    real = [zone for zone in within if zone.outcome != "zone-empty"]
    if not real:
        return _nothing_within(checked, within, request)
    passing = [zone for zone in real if zone.outcome == "passes"]
    if passing:
        return _passed(passing, real, request)
    unknown = next((zone for zone in real if zone.outcome == "unknown"), None)
    if unknown:
        return _Said("incomplete", unknown.why, unknown)
    return _failed(checked, real, request)


def _nothing_within(checked: tuple[ZoneLedger, ...], within: list[ZoneLedger], request: Request) -> _Said:
    barred = [zone for zone in checked if _is_barred(zone, request)]
    if barred and not within:
        largest = _largest(barred)
        why = f"the only zones printed are out of its reach: {largest.why}"
        return _Said("cpuset-or-movable-only", why, largest)
    empty = within[0] if within else None
    return _Said("zone-empty", "no zone that it may use has any pages", empty)


def _is_barred(zone: ZoneLedger, request: Request) -> bool:
    """Tell whether a movable zone, or a node, is closed to the request, rather than a higher zone."""
    if zone.outcome != "out-of-reach" or request.gfp is None:
        return False
    return zone.zone.name == "Movable" or is_within_reach(zone.zone, request.gfp.highest_zone)


def _passed(passing: list[ZoneLedger], real: list[ZoneLedger], request: Request) -> _Said:
    best = max(passing, key=lambda zone: zone.margin_pages or 0)
    nodes = {zone.zone.node for zone in real}
    able = {zone.zone.node for zone in passing}
    if request.gfp is not None and request.gfp.thisnode and able != nodes:
        return _Said("incomplete", "it may use one node only, and the report does not say which", best)
    if _contradicts(best, request):
        return _Said("contradiction", _contradiction(best, request), best)
    close = (
        "barely: by less than the counters may lag"
        if best.borderline
        else f"by {counted(best.margin_pages or 0, 'page')}"
    )
    why = f"when this was printed the request would have been served from {best.zone.name}, {close}"
    return _Said("race", why + "; what it lacked before is not in this report", best)


def _contradiction(best: ZoneLedger, request: Request) -> str:
    much = f"{best.zone.name} has more free than its high watermark, and"
    if request.oom:
        return f"{much} no task need be killed for such a request; that it was allowed all nodes is assumed"
    return (
        f"{much} such a request is not given up; that its task reclaims memory itself (PF_MEMALLOC) or is "
        "being killed would explain it, and is not printed"
    )


def _contradicts(best: ZoneLedger, request: Request) -> bool:
    gfp = request.gfp
    plain = gfp is not None and gfp.may_sleep and not gives_up(request) and not request.memalloc_task
    return plain and not best.borderline and (best.left_pages or 0) > best.zone.high_pages


def _failed(checked: tuple[ZoneLedger, ...], real: list[ZoneLedger], request: Request) -> _Said:
    decides = _largest(real)
    if decides.outcome != "short":
        return _Said(_VERDICTS[decides.outcome], decides.why, decides)
    if request.gfp is not None and _ignores_watermarks(request, request.gfp):
        return _Said("reserves-exhausted", f"not even the last reserves had it: {decides.why}", decides)
    elsewhere = _elsewhere(checked, request)
    reason = gives_up(request)
    if elsewhere and not (request.gfp and request.gfp.thisnode):
        why = f"{decides.zone.name}: {decides.why}. Enough is free elsewhere, but {elsewhere.why}"
        return _Said("cpuset-or-movable-only", why, decides)
    if reason and not request.oom:
        return _Said("policy-gives-up", f"{decides.why}, and the kernel did not insist: {reason}", decides)
    return _Said("shortage", decides.why, decides)


_VERDICTS: dict[str, Verdict] = {
    "lowmem-reserve": "lowmem-reserve",
    "fragmentation": "fragmentation",
    "cma-only": "cma-only",
    "highatomic-held": "highatomic-held",
}


def _ignores_watermarks(request: Request, gfp: Gfp) -> bool:
    return all(rights_of(gfp, request, form).ignores_watermarks for form in forms_of(request.version))


def _elsewhere(checked: tuple[ZoneLedger, ...], request: Request) -> ZoneLedger | None:
    """Find a movable zone or another node that would have served the request."""
    if request.gfp is None:
        return None
    free = replace(request, nodes=None, gfp=replace(request.gfp, highest_zone="Movable"))
    names = _names_by_node(tuple(zone.zone for zone in checked))
    for zone in checked:
        if _is_barred(zone, request):
            tried = check_zone(zone.zone, free, names=names[zone.zone.node])
            if tried.outcome == "passes" and not tried.borderline:
                return zone
    return None


def _largest(some: list[ZoneLedger]) -> ZoneLedger:
    return max(
        some, key=lambda zone: zone.zone.managed_pages or zone.zone.present_pages or zone.zone.free_pages
    )


def _numbers(said: _Said, request: Request) -> tuple[int | None, int | None]:
    if said.zone is None:
        return None, None
    over = request.order and (said.zone.margin_pages or 0) > 0
    wants_block = said.verdict == "fragmentation" or (over and said.verdict != "race")
    if wants_block and said.zone.largest_order is not None:
        return 1 << request.order, 1 << said.zone.largest_order
    return said.zone.needed_pages, said.zone.left_pages


_REASONS = {
    "unaccepted": "unaccepted",
    "cma": "CMA",
    "highatomic": "highatomic",
    "lowmem_reserve": "lowmem_reserve",
    "watermark": "watermark",
}


def _losses(checked: tuple[ZoneLedger, ...], request: Request) -> tuple[Loss, ...]:
    """Add up over the zones what kept the free pages from the request."""
    pages: dict[str, int] = {}
    for zone in checked:
        for reason, lost in _lost(zone, request):
            pages[reason] = pages.get(reason, 0) + lost
    return tuple(Loss(reason, lost) for reason, lost in pages.items() if lost)


def _lost(zone: ZoneLedger, request: Request) -> list[Loss]:
    free = zone.zone.free_pages
    if zone.margin_pages is None:
        return [Loss(_reason_of_all(zone, request), free)]
    lost = []
    for step in zone.steps:
        if step.name in _REASONS:
            taken = min(free, -step.pages)
            lost.append(Loss(_REASONS[step.name], taken))
            free -= taken
    if zone.outcome == "unknown":
        return [*lost, Loss("not known", free)]
    lies_in_blocks = zone.outcome == "fragmentation" or (request.order and zone.outcome == "passes")
    short = "blocks too small" if lies_in_blocks else "watermark"
    return [*lost, Loss(short, free - zone.usable_pages)]


def _reason_of_all(zone: ZoneLedger, request: Request) -> str:
    if zone.outcome != "out-of-reach" or request.gfp is None:
        return "not known"
    return "other nodes" if is_within_reach(zone.zone, request.gfp.highest_zone) else "zones above reach"
