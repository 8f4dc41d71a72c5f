# SPDX-License-Identifier: GPL-2.0-or-later
"""
How each kernel's watermark check differs, and what a request may take by it.

    up to 2.6.36    free - ((1 << order) - 1)
    2.6.37 to 3.7   free - ((1 << order) + 1): 88f5acf88ae6 ("mm: page allocator: adjust the per-cpu counter
                    threshold when memory is low"), also in some vendors' 2.6.32 and 2.6.35; undone by
                    "mm/page_alloc.c: fix watermark check in __zone_watermark_ok()" (in v3.8)
    3.7             free CMA pages are subtracted: d95ea5d18e69 ("cma: fix watermark checking")
    up to 4.3       order by order, with half the watermark each time; from 3.7 to 3.10 the free CMA pages
                    are gone from the count of the orders too, in 3.11 no longer. Red Hat's 2.6.32, and it may
                    be its 3.10, holds no watermark against the orders
    4.4             one free block is enough: 97a16fc82a7c ("mm, page_alloc: only enforce watermarks for
                    order-0 allocations"); highatomic reserves: 0aaa29a56e4f ("mm, page_alloc: reserve
                    pageblocks for high-order atomic allocations on demand"); GFP_NOWAIT is no longer
                    helped: d0164adc89f6 ("mm, page_alloc: distinguish between being unable to sleep, ...")
    4.7 to 5.8      order 0 passes above the full watermark whatever the highatomic reserve: 48ee5f3696f6
                    ("mm, page_alloc: shortcut watermark checks for order-0 pages"), until f27ce0e14088
                    ("page_alloc: consider highatomic reserve in watermark fast"), which went to stable
                    kernels too
    4.14            ALLOC_OOM: cd04ae1e2dc8 ("mm, oom: do not rely on TIF_MEMDIE for memory reserves access")
    5.9             an atomic order 0 is checked again without the boost: f80b08fc4453 ("mm, page_alloc: skip
                    ->waternark_boost for atomic order-0 allocations"), also in 5.4.80
    6.3             ALLOC_NON_BLOCK and ALLOC_MIN_RESERVE: 1ebbb21811b7 ("mm/page_alloc: explicitly define
                    how __GFP_HIGH non-blocking allocations accesses reserves"), also in late 5.10.y, 5.15.y
                    and 6.1.y
    6.5 to 6.10     unaccepted memory counts as free and is subtracted; later it does not count as free
    6.12            an atomic order 0 may take highatomic blocks: 281dd25c1a01 ("mm/page_alloc: let GFP_ATOMIC
                    order-0 allocs access highatomic reserves"), also in late 5.15.y, 6.1.y and 6.6.y; of the
                    highatomic reserve only what is free in it is subtracted: c928807f6f6b ("mm/page_alloc:
                    keep track of free highatomic"), though it is printed from 6.16 on only

From 4.4 to 4.15 a harder request passes the check with a block of any migrate type, until "mm, page_alloc:
fix potential false positive in __zone_watermark_ok" (in v4.16). It then finds none that it may take, so the
types it may take are what counts here in every version.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from keepsane.kernel.pages.gfp import Gfp
from keepsane.kernel.pages.gfp_tables import Version

TAKES = "UMER"
"""Migrate types that every request may fall back to; "C" needs ALLOC_CMA, "H" highatomic rights."""
_REWORKED = ((5, 10), (5, 15), (6, 1), (6, 6))
_FAST_STABLE = ((4, 9), (4, 14), (4, 19), (5, 4))
_UNNUMBERED = ((2, 6, 32), (2, 6, 35))


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """
    What was asked for: 2**`order` pages with the rights of `gfp`, on a kernel of `version`.

    `gfp` and `version` are None where the log does not say them. `size_bytes` is what vmalloc() was asked
    for. `memalloc_task` (PF_MEMALLOC), `dying_task` (chosen by the OOM killer) and `realtime` (a real-time
    task, outside interrupts) are None where not known. `nodes` are those that cpuset, policy or the one
    node of __GFP_THISNODE allow, None for all. `oom` where the OOM killer was called, rather than a failure.
    """

    order: int = 0
    gfp: Gfp | None
    version: Version | None = None
    size_bytes: int | None = None
    memalloc_task: bool | None = None
    dying_task: bool | None = None
    realtime: bool | None = None
    nodes: tuple[int, ...] | None = None
    oom: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """
    The arithmetic of some kernels, from `since` on.

    `reserves` says what grants the deeper reserve: "wait" that the request cannot sleep, "atomic" that it
    has __GFP_ATOMIC, "non-block" that it cannot sleep and has __GFP_HIGH. `marks_high_orders` is False where
    a vendor's check of the orders uses no watermark at all.
    """

    since: Version = (2, 6)
    reserves: Literal["wait", "atomic", "non-block"] = "wait"
    counts_two_more: bool = False
    by_order: bool = True
    marks_high_orders: bool = True
    cma_in_orders: bool = False
    cma: bool = False
    nomemalloc_bars: bool = False
    highatomic: bool = False
    prints_highatomic: bool = False
    fast_order_0: bool = False
    alloc_oom: bool = False
    drops_boost: bool = False
    unaccepted: bool = False
    order_0_highatomic: bool = False
    free_highatomic: bool = False


_OLD = Form()
_TWO_MORE = replace(_OLD, since=(2, 6, 37), counts_two_more=True)
_CMA = replace(_TWO_MORE, since=(3, 7), cma=True)
_MENDED = replace(_CMA, since=(3, 8), counts_two_more=False)
_CMA_SPLIT = replace(_MENDED, since=(3, 11), cma_in_orders=True)
_ATOMIC = replace(_CMA_SPLIT, since=(3, 16), nomemalloc_bars=True)
_HIGHATOMIC = replace(_ATOMIC, since=(4, 4), reserves="atomic", by_order=False, highatomic=True)
_FAST = replace(_HIGHATOMIC, since=(4, 7), fast_order_0=True)
_OOM = replace(_FAST, since=(4, 14), alloc_oom=True)
_PRINTED = replace(_OOM, since=(5, 1), prints_highatomic=True)
_BOOST_MENDED = replace(_PRINTED, since=(5, 9), fast_order_0=False, drops_boost=True)
_REWORK = replace(_BOOST_MENDED, since=(6, 3), reserves="non-block")
_UNACCEPTED = replace(_REWORK, since=(6, 5), unaccepted=True)
_ACCEPTED = replace(_UNACCEPTED, since=(6, 11), unaccepted=False)
_NEWEST = replace(_ACCEPTED, since=(6, 12), order_0_highatomic=True, free_highatomic=True)

FORMS = (
    *(_OLD, _TWO_MORE, _CMA, _MENDED, _CMA_SPLIT, _ATOMIC, _HIGHATOMIC, _FAST, _OOM, _PRINTED),
    *(_BOOST_MENDED, _REWORK, _UNACCEPTED, _ACCEPTED, _NEWEST),
)
"""Every arithmetic, the oldest first."""


@lru_cache(256)
def forms_of(version: Version | None) -> tuple[Form, ...]:
    """Give the arithmetic of a kernel, the likeliest first; several where the version does not decide."""
    if version is None:
        return FORMS[::-1]
    own = next((form for form in reversed(FORMS) if form.since <= version), FORMS[0])
    if version[:2] in _REWORKED:
        return replace(own, reserves="non-block", order_0_highatomic=True), own
    if version[:2] in _FAST_STABLE:
        mended = replace(own, fast_order_0=False)
        return own, mended, replace(own, drops_boost=True), replace(mended, drops_boost=True)
    if version[:2] == (3, 10):
        return own, _CMA_SPLIT, replace(_CMA_SPLIT, marks_high_orders=False)
    if version[:3] in _UNNUMBERED:
        return own, _TWO_MORE, replace(_TWO_MORE, marks_high_orders=False)
    return (own,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """
    What a request may do by one arithmetic.

    `halves`, `quarters` and `oom_halves` lower the watermark, `ignores_watermarks` drops it. `reserve` is
    access to the highatomic reserve, `types` are the migrate types whose blocks it may take.
    `nodes_bind` where a cpuset, a policy or __GFP_THISNODE holds it.
    """

    halves: bool
    quarters: bool
    oom_halves: bool
    ignores_watermarks: bool
    reserve: bool
    types: str
    cma: bool
    nodes_bind: bool


def rights_of(gfp: Gfp, request: Request, form: Form) -> Rights:
    """
    Say what a request may do.

    Source: mm/page_alloc.c, gfp_to_alloc_flags(), __gfp_pfmemalloc_flags(), gfp_to_alloc_flags_cma().
    """
    all_reserves = _ignores_watermarks(gfp, request, form)
    oom = form.alloc_oom and bool(request.dying_task) and not gfp.nomemalloc and not all_reserves
    high, harder = _reserves(gfp, request, form)
    rework = form.reserves == "non-block"
    highatomic = (harder or oom) and (request.order > 0 or form.order_0_highatomic)
    return Rights(
        halves=high,
        quarters=harder and (high or not rework) and not (oom and not rework),
        oom_halves=oom,
        ignores_watermarks=all_reserves,
        reserve=harder or oom or all_reserves or (rework and high),
        types=TAKES + ("C" if gfp.movable else "") + ("H" if highatomic else ""),
        cma=gfp.movable,
        nodes_bind=gfp.thisnode or (gfp.hardwall and not all_reserves and not _skips_cpuset(gfp, form)),
    )


def _ignores_watermarks(gfp: Gfp, request: Request, form: Form) -> bool:
    dying = bool(request.dying_task) and not form.alloc_oom
    return not gfp.nomemalloc and (gfp.memalloc or bool(request.memalloc_task) or dying)


def _reserves(gfp: Gfp, request: Request, form: Form) -> tuple[bool, bool]:
    """Give whether __GFP_HIGH's reserve is open, and whether the deeper one is."""
    barred = gfp.nomemalloc and form.nomemalloc_bars
    if form.reserves == "non-block":
        return gfp.high or (gfp.may_sleep and bool(request.realtime)), not gfp.may_sleep and not barred
    atomic = gfp.atomic if form.reserves == "atomic" else not gfp.may_sleep
    return gfp.high, (atomic and not barred) or (not atomic and bool(request.realtime))


def _skips_cpuset(gfp: Gfp, form: Form) -> bool:
    if form.reserves == "wait":
        return not gfp.may_sleep
    return gfp.atomic if form.reserves == "atomic" else not gfp.may_sleep and gfp.high
