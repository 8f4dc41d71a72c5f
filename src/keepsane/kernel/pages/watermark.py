# SPDX-License-Identifier: GPL-2.0-or-later
"""
The kernel's own check whether a zone may serve a request, from the numbers that it prints.

    Node 0 DMA32 free:1036kB min:2784kB ...    a GFP_ATOMIC page must leave more than 3/8 of min: 261 pages

Everything is in pages. The check reads the same counters that the report prints, but earlier: memory is
freed and taken in between, and each CPU holds back a few pages of its changes (`drift_pages`). A margin
smaller than that is borderline. `min` as printed includes the boost. What lies on the CPUs' own lists
(`free_pcp`) is not free here.

Source: mm/page_alloc.c, __zone_watermark_ok(), zone_watermark_fast(), __zone_watermark_unusable_free();
mm/vmstat.c, calculate_normal_threshold(). What differs between kernels: keepsane.kernel.pages.watermark_form.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from keepsane.kernel.pages.gfp import Gfp
from keepsane.kernel.pages.watermark_form import Form, Request, Rights, forms_of, rights_of
from keepsane.kernel.pages.zone import FreeBlocks, Zone
from keepsane.kernel.pages.zone_state import (
    MAX_ORDER,
    blocks_for,
    boost_pages,
    drift_pages,
    is_empty,
    is_within_reach,
    reserve_pages,
)
from keepsane.words import counted

Outcome = Literal[
    "passes",
    "short",
    "lowmem-reserve",
    "fragmentation",
    "cma-only",
    "highatomic-held",
    "zone-empty",
    "out-of-reach",
    "unknown",
]
PAGEBLOCK_PAGES = 512
"""The least that a highatomic reserve holds, where only its blocks are seen: a pageblock of x86."""


class Step(NamedTuple):
    """One line of the account: `pages` are added to what the request could use, or taken from it."""

    name: str
    pages: int
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneLedger:
    """
    What of a zone's free memory a request could use, step by step.

    The steps add up to `margin_pages`: above zero the watermark check passes; None where none was made.
    `left_pages` is what remains of the free pages before lowmem_reserve and watermark, `needed_pages` what
    must remain. `usable_pages` is what could be taken before the request's rights end, in blocks large
    enough, and `largest_order` the largest block that it may take, None where there is none or no list.
    `drift_pages` is by how much the counter may lag; `borderline` a margin smaller than that. `missing`
    names what was not printed.
    """

    zone: Zone
    outcome: Outcome
    why: str
    steps: tuple[Step, ...] = ()
    margin_pages: int | None = None
    left_pages: int | None = None
    needed_pages: int | None = None
    usable_pages: int = 0
    largest_order: int | None = None
    drift_pages: int = 0
    borderline: bool = False
    missing: tuple[str, ...] = ()


def check_zone(
    zone: Zone,
    request: Request,
    *,
    names: tuple[str, ...] = (),
    cpus: int | None = None,
    page_bytes: int = 4096,
) -> ZoneLedger:
    """
    Check one zone for a request, at the min watermark, as the kernel does before it gives up.

    `names` are the zones of its node; they tell which entry of lowmem_reserve is meant. `cpus`
    are those online. Where the version leaves several arithmetics and they disagree, the outcome is unknown.
    """
    if request.gfp is None:
        return ZoneLedger(zone=zone, outcome="unknown", why="what the request may use is not known: no mode")
    if not 0 <= request.order <= MAX_ORDER:
        return ZoneLedger(zone=zone, outcome="unknown", why=f"no zone has blocks of order {request.order}")
    drift, gfp = drift_pages(zone, cpus, page_bytes), request.gfp
    forms = forms_of(request.version)
    if request.version is None:
        forms = tuple(form for form in forms if _fits(form, zone)) or forms
    cases = (
        _Case(zone, request, gfp, form, rights_of(gfp, request, form), (*names, zone.name)) for form in forms
    )
    every = [_ledger(case, drift) for case in cases]
    outcomes = {entry.outcome for entry in every}
    if len(outcomes) == 1:
        return every[0]
    said = " or ".join(sorted(outcomes))
    return replace(every[0], outcome="unknown", why=f"the arithmetic depends on the kernel's version: {said}")


def watermark_pages(min_pages: int, rights: Rights) -> int:
    """Lower the min watermark by a request's rights: an atomic request needs more than 3/8 of it."""
    if rights.ignores_watermarks:
        return 0
    mark = min_pages
    for lowers, part in ((rights.halves, 2), (rights.quarters, 4), (rights.oom_halves, 2)):
        mark -= mark // part if lowers else 0
    return mark


class _Case(NamedTuple):
    """One zone, one request, one arithmetic."""

    zone: Zone
    request: Request
    gfp: Gfp
    form: Form
    rights: Rights
    names: tuple[str, ...]


def _fits(form: Form, zone: Zone) -> bool:
    """Tell whether a kernel of this form prints a zone as this one is printed."""
    whole = zone.free_cma_pages is not None
    return not (
        (whole and not form.cma)
        or (zone.managed_pages is not None and form.since < (3, 7))
        or (zone.managed_pages is None and zone.present_pages is not None and form.cma)
        or (zone.reserved_highatomic_pages is not None and not form.prints_highatomic)
        or (whole and zone.reserved_highatomic_pages is None and form.prints_highatomic)
        or (zone.boost_pages is not None and not form.drops_boost)
        # Both print the same from 6.12 to 6.15, and the older arithmetic is the one that fails more.
        or (form.free_highatomic and zone.reserved_highatomic_pages and zone.free_highatomic_pages is None)
        or (zone.active_pages is not None and form.since > (2, 6, 28))
    )


def _ledger(case: _Case, drift: int) -> ZoneLedger:
    why = _out_of_reach(case)
    if why:
        return ZoneLedger(zone=case.zone, outcome="out-of-reach", why=why)
    if is_empty(case.zone):
        return ZoneLedger(zone=case.zone, outcome="zone-empty", why="this zone has no pages to give")
    steps = _steps(case)
    margin = sum(step.pages for step in steps)
    needed = 1 - sum(step.pages for step in steps if step.name in ("lowmem_reserve", "watermark"))
    outcome, why = _judge(case, steps)
    if _is_guess(case, steps):
        outcome, why = "unknown", "how much of the reserve for atomic blocks is free is not printed"
    passes, missing = outcome == "passes", _missing(case)
    if passes and missing:
        outcome, why = "unknown", f"it passes by what is printed, but {' and '.join(missing)} is not"
    fitting = blocks_for(case.zone.blocks or (), case.request.order, case.rights.types)
    usable = margin - 1 + (1 << case.request.order) if passes else 0
    return ZoneLedger(
        zone=case.zone,
        outcome=outcome,
        why=why,
        steps=steps,
        margin_pages=margin,
        left_pages=margin + needed - 1,
        needed_pages=needed,
        usable_pages=min(usable, fitting) if case.request.order else usable,
        largest_order=_largest_order(case),
        drift_pages=drift,
        borderline=abs(margin) <= drift or (passes and margin <= _unseen_highatomic(case)),
        missing=missing,
    )


def _largest_order(case: _Case) -> int | None:
    orders = (entry.order for entry in case.zone.blocks or () if blocks_for((entry,), 0, case.rights.types))
    return max(orders, default=None)


def _out_of_reach(case: _Case) -> str:
    zone, nodes = case.zone, case.request.nodes
    if not is_within_reach(zone, case.gfp.highest_zone):
        return f"zone {zone.name} is above {case.gfp.highest_zone}, the highest that the request may use"
    if nodes is not None and zone.node is not None and zone.node not in nodes and case.rights.nodes_bind:
        return f"node {zone.node} is not one of those that the request may use"
    return ""


def _steps(case: _Case) -> tuple[Step, ...]:
    """Write the account of __zone_watermark_ok() down: what is free, and what is taken from it."""
    zone, rights, free = case.zone, case.rights, case.zone.free_pages
    reserve = 0 if rights.ignores_watermarks else _reserve(case) or 0
    steps = [Step("free", free, "free in this zone"), _block(case)]
    if case.form.unaccepted and zone.unaccepted_pages:
        steps.append(Step("unaccepted", -zone.unaccepted_pages, "not yet accepted from the hypervisor"))
    if case.form.cma and not rights.cma and zone.free_cma_pages:
        steps.append(Step("cma", -zone.free_cma_pages, "CMA, for movable memory only"))
    highatomic = None if rights.reserve else _highatomic(case)
    if highatomic and not _passes_fast(case, sum(step.pages for step in steps) - reserve):
        steps.append(highatomic)
    if reserve:
        words = f"kept from requests that may also use {case.gfp.highest_zone}"
        steps.append(Step("lowmem_reserve", -reserve, words))
    return (*steps, _watermark(case))


def _block(case: _Case) -> Step:
    pages = 1 << case.request.order
    words = "a block counts by its last page" if pages > 1 else "a single page takes nothing away"
    if case.form.counts_two_more:
        return Step("block", -pages - 1, "the block, and one page too many: a slip of these kernels")
    return Step("block", 1 - pages, words)


def _highatomic(case: _Case) -> Step | None:
    zone = case.zone
    if not case.form.highatomic:
        return None
    if zone.free_highatomic_pages is not None:
        return Step("highatomic", -zone.free_highatomic_pages, "free in the reserve for atomic blocks")
    if zone.reserved_highatomic_pages is not None and case.form.free_highatomic:
        words = "free in the reserve for atomic blocks: not printed, this is the most that it can be"
        return Step("highatomic", -_most_free_highatomic(zone), words)
    if zone.reserved_highatomic_pages is not None:
        words = "reserved for atomic blocks, free or not"
        if zone.blocks is not None and not _has_highatomic(zone):
            words += "; none of it is free, so the kernel counts too much"
        return Step("highatomic", -zone.reserved_highatomic_pages, words)
    if case.form.prints_highatomic or not _has_highatomic(zone):
        return None
    words = "reserved for atomic blocks: not printed, implied by the (H) blocks, at least one pageblock"
    return Step("highatomic", -PAGEBLOCK_PAGES, words)


def _most_free_highatomic(zone: Zone) -> int:
    reserved = zone.reserved_highatomic_pages or 0
    return reserved if zone.blocks is None else min(reserved, blocks_for(zone.blocks, 0, "H"))


def _is_guess(case: _Case, steps: tuple[Step, ...]) -> bool:
    """Tell whether only the part of the reserve that may not be free fails the check."""
    if not case.form.free_highatomic or case.zone.free_highatomic_pages is not None:
        return False
    held = -sum(step.pages for step in steps if step.name == "highatomic")
    return sum(step.pages for step in steps) <= 0 < sum(step.pages for step in steps) + held


def _has_highatomic(zone: Zone) -> bool:
    return any("H" in (entry.types or "") for entry in zone.blocks or ())


def _unseen_highatomic(case: _Case) -> int:
    """Give what a reserve that the kernel does not print could hold: a hundredth of the zone and a block."""
    printed = case.form.prints_highatomic or case.zone.reserved_highatomic_pages is not None
    if printed or case.rights.reserve or not case.form.highatomic:
        return 0
    return (case.zone.managed_pages or 0) // 100 + PAGEBLOCK_PAGES


def _passes_fast(case: _Case, pages: int) -> bool:
    return case.form.fast_order_0 and case.request.order == 0 and pages > case.zone.min_pages


def _reserve(case: _Case) -> int | None:
    return reserve_pages(case.zone, case.gfp.highest_zone, case.names)


def _watermark(case: _Case) -> Step:
    zone, rights = case.zone, case.rights
    boost = _dropped_boost(case)
    mark = watermark_pages(zone.min_pages - boost, rights)
    if rights.ignores_watermarks:
        return Step("watermark", 0, "no watermark holds for this request")
    words = "the min watermark" if mark == zone.min_pages else f"of a min watermark of {zone.min_pages}"
    lowered = ", without its boost" if boost else ", boost included" if zone.boost_pages else ""
    return Step("watermark", -mark, words + lowered)


def _dropped_boost(case: _Case) -> int:
    """Give the boost that does not hold for an atomic page; its floor where only the gaps betray it."""
    asks = case.rights.halves if case.form.reserves == "non-block" else case.gfp.atomic
    if not case.form.drops_boost or case.request.order or not asks:
        return 0
    return boost_pages(case.zone)


def _missing(case: _Case) -> tuple[str, ...]:
    """Name what could still fail the check, and was not printed."""
    zone, form = case.zone, case.form
    no_highatomic = zone.reserved_highatomic_pages is None and zone.free_highatomic_pages is None
    wants = (
        ("free_cma", form.cma and not case.rights.cma and zone.free_cma_pages is None),
        ("reserved_highatomic", form.prints_highatomic and not case.rights.reserve and no_highatomic),
        ("lowmem_reserve", not case.rights.ignores_watermarks and _reserve(case) is None),
        ("the list of free blocks", case.request.order > 0 and zone.blocks is None),
    )
    return tuple(name for name, is_missing in wants if is_missing)


_TOOK: dict[str, tuple[Outcome, str]] = {
    "free": ("short", "there is not enough free memory"),
    "block": ("short", "there is not enough free memory"),
    "unaccepted": ("short", "what is free has not been accepted from the hypervisor yet"),
    "cma": ("cma-only", "most of what is free is CMA, which this request may not use"),
    "highatomic": ("highatomic-held", "what is free is held for atomic blocks"),
    "lowmem_reserve": ("lowmem-reserve", "what is free is kept for requests that can use no higher zone"),
}


def _judge(case: _Case, steps: tuple[Step, ...]) -> tuple[Outcome, str]:
    """Name the first step after which the rest does not exceed the watermark; then look for a block."""
    mark = -steps[-1].pages
    rest = 0
    for step in steps[:-1]:
        rest += step.pages
        if rest <= mark and step.name != "free":
            outcome, why = _TOOK[step.name]
            kept = -step.pages if step.name == "lowmem_reserve" else 0
            left, needed = max(rest + kept, 0), mark + kept + 1
            free = "free" if left == steps[0].pages else f"left of {steps[0].pages}"
            return outcome, f"{why}: {counted(left, 'page')} {free}, {needed} needed"
    return _judge_blocks(case, rest, mark)


def _judge_blocks(case: _Case, rest: int, mark: int) -> tuple[Outcome, str]:
    order, blocks = case.request.order, case.zone.blocks
    above = f"{counted(rest - mark, 'page')} above the watermark"
    if blocks is None:
        return "passes", above
    if not order:
        return _judge_page(case, blocks) or ("passes", above)
    if case.form.by_order and not _has_orders(case, blocks, rest, mark):
        return "fragmentation", f"enough is free, but too little of it in blocks of order {order} and more"
    if blocks_for(blocks, order, case.rights.types):
        return "passes", f"{above}, and there is a block of order {order}"
    if blocks_for(blocks, order, "C"):
        return "cma-only", f"every free block of order {order} is CMA, which this request may not use"
    if blocks_for(blocks, order, "H"):
        return (
            "fragmentation",
            f"enough is free, but the only blocks of order {order} are held for atomic ones",
        )
    return "fragmentation", f"enough is free, but no block of order {order}"


def _judge_page(case: _Case, blocks: tuple[FreeBlocks, ...]) -> tuple[Outcome, str] | None:
    """Say so where a page may be taken by the watermark, but only lies in blocks that are out of bounds."""
    if blocks_for(blocks, 0, case.rights.types):
        return None
    if blocks_for(blocks, 0, "C"):
        return "cma-only", "every free block is CMA, which this request may not use"
    if blocks_for(blocks, 0, "H"):
        return "highatomic-held", "every free block is held for atomic requests of higher order"
    return None


def _has_orders(case: _Case, blocks: tuple[FreeBlocks, ...], rest: int, mark: int) -> bool:
    """Take the small blocks away order by order, as kernels up to 4.3 did."""
    if case.rights.ignores_watermarks:
        return True
    left = rest + (_reserve(case) or 0)
    if case.form.cma_in_orders and not case.rights.cma:
        left += case.zone.free_cma_pages or 0
    if not case.form.marks_high_orders:
        mark = 0
    counts = {entry.order: entry.count for entry in blocks}
    for order in range(case.request.order):
        left -= counts.get(order, 0) << order
        mark >>= 1
        if left <= mark:
            return False
    return True
