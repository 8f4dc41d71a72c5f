# SPDX-License-Identifier: GPL-2.0-or-later
"""The watermark check of each kernel against hand calculations, and what must hold for all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.kernel.pages.gfp import decode
from keepsane.kernel.pages.watermark import check_zone
from keepsane.kernel.pages.watermark_form import FORMS, Request
from keepsane.kernel.pages.zone import ZONES, FreeBlocks, Zone
from keepsane.kernel.pages.zone_state import boost_pages, drift_pages, reserve_pages
from tests.kernel.zones import listed, request, zone

WHOLE = "managed:4000000 free_cma:0 reserved_highatomic:0"


def floor(asked: Request, min_pages: int = 1000, boost_pages: int | None = None) -> int:
    """Find the most free pages with which a request still fails."""
    least, most = 0, 10 * min_pages
    base = zone(
        "Normal", f"free:0 min:{min_pages * 4} {WHOLE}", reserve=(0, 0, 0, 0, 0), blocks="9*4096kB (UM)"
    )
    base = replace(base, boost_pages=boost_pages)
    while least < most:
        middle = (least + most + 1) // 2
        if check_zone(replace(base, free_pages=middle), asked).outcome == "passes":
            most = middle - 1
        else:
            least = middle
    return least


@pytest.mark.parametrize(
    ("asked", "pages"),
    [
        (request(0xD0, "2.6.24"), 1000),
        (request(0x20, "2.6.24"), 375),  # 1000 - 500 - 125
        (request(0x0, "3.10.0"), 750),  # GFP_NOWAIT: it cannot wait, which was enough up to 4.3
        (request(0xD0, "2.6.38"), 1002),  # (1 << 0) + 1 are subtracted
        (request(0x2000000, "4.4.0"), 1000),  # GFP_NOWAIT again: from 4.4 on it gets nothing
        (request(0x2080020, "4.4.0"), 375),
        (request(0x2090020, "4.4.0"), 500),  # with __GFP_NOMEMALLOC only __GFP_HIGH counts
        (request(0x10020, "3.14.0"), 375),  # which was not so before 3.16
        (request(0x10020, "3.16.0"), 500),
        (request(0xCC0, "5.10.0"), 1000),
        (request(0xCE0, "5.9.0"), 500),  # GFP_KERNEL|__GFP_HIGH
        (request(0xCC0, "5.9.0", realtime=True), 750),
        (request(0xCC0, "6.6.0", realtime=True), 500),  # ALLOC_MIN_RESERVE
        (request(0x820, "6.6.0"), 375),
        (request(0x800, "6.6.0"), 1000),  # non-blocking alone does not lower the mark
        (request(0x20CC0, "6.6.0"), 0),  # __GFP_MEMALLOC
        (request(0xCC0, "6.6.0", dying_task=True), 500),  # ALLOC_OOM
        (request(0xD0, "3.10.0", dying_task=True), 0),  # TIF_MEMDIE
        (request(0xCC0, "6.6.0", memalloc_task=True), 0),
        (request(0x80CC0, "6.6.0", memalloc_task=True), 1000),  # __GFP_NOMEMALLOC wins
    ],
)
def test_how_deep_a_request_may_go_depends_on_the_kernel(asked: Request, pages: int) -> None:
    assert floor(asked) == pages


def test_a_boost_does_not_hold_for_an_atomic_page_since_5_9() -> None:
    # min 1000, 600 of it boost: 400 - 200 - 50 = 150 against 375; 5.8 and order 1 keep the boost.
    assert floor(request(0xA20, "5.9.0"), boost_pages=600) == 150
    assert floor(request(0x820, "6.12.0"), boost_pages=600) == 150
    assert floor(request(0xCC0, "6.12.0"), boost_pages=600) == 1000
    assert floor(request(0xA20, "5.8.0"), boost_pages=600) == 375
    assert floor(request(0x820, "6.12.0", order=1), boost_pages=600) == 376


def test_a_boost_that_is_not_printed_shows_in_the_gap_to_low() -> None:
    # Unboosted 422 and 527, a gap of 105 = 422 / 4; with 512 pages of boost 934 and 1039. 4 * 105 + 3 = 423.
    one = Zone(name="DMA32", free_pages=1, min_pages=934, low_pages=1039, high_pages=1144)
    assert boost_pages(one) == 511
    assert boost_pages(replace(one, min_pages=422, low_pages=527)) == 0


def test_order_0_passes_the_full_watermark_without_the_highatomic_reserve_from_4_7_to_5_8() -> None:
    # 1200 free, 512 reserved, min 1000: 688 <= 1000, but the short cut does not look at the reserve.
    held = zone("Normal", f"free:4800 min:4000 {WHOLE}", reserve=(0, 0, 0, 0, 0), blocks="1200*4kB (UMH)")
    held = replace(held, reserved_highatomic_pages=512)
    assert check_zone(held, request(0xCC0, "5.8.0")).outcome == "passes"
    assert check_zone(held, request(0xCC0, "5.9.0")).outcome == "highatomic-held"
    assert check_zone(held, request(0xCC0, "5.8.0", order=1)).outcome == "highatomic-held"


def test_from_6_12_on_only_the_free_part_of_the_highatomic_reserve_is_subtracted() -> None:
    # min 1000 pages; 2800 free, of which 2048 are reserved: 752 or 2800 are left for a page that may wait.
    held = "free:11200 min:4000 managed:2000000 free_cma:0 reserved_highatomic:8192"
    none_free = zone("Normal", held, reserve=(0, 0, 0, 0, 0), blocks="2800*4kB (UM)")
    assert check_zone(none_free, request(0x10CC0, "6.11.0")).outcome == "highatomic-held"
    assert check_zone(none_free, request(0x10CC0, "6.12.0")).outcome == "passes"


def test_how_much_of_the_reserve_is_free_is_not_known_before_6_16() -> None:
    # At most 2000 pages lie in (H) blocks: 800 or 2800 are left.
    held = "free:11200 min:4000 managed:2000000 free_cma:0 reserved_highatomic:8192"
    some_free = zone("Normal", held, reserve=(0, 0, 0, 0, 0), blocks="800*4kB (UM) 1000*8kB (UH)")
    assert check_zone(some_free, request(0x10CC0, "6.12.0")).outcome == "unknown"
    printed = replace(some_free, free_highatomic_pages=2000)
    assert check_zone(printed, request(0x10CC0, "6.16.0")).outcome == "highatomic-held"


def test_pages_that_only_lie_in_highatomic_blocks_are_out_of_bounds_for_a_page_before_6_12() -> None:
    held = zone("Normal", f"free:4800 min:4000 {WHOLE}", reserve=(0, 0, 0, 0, 0), blocks="1200*4kB (H)")
    assert check_zone(held, request(0x820, "6.5.0")).outcome == "highatomic-held"
    assert check_zone(held, request(0x820, "6.12.0")).outcome == "passes"
    assert check_zone(held, request(0xA20, "6.1.0")).outcome == "unknown"  # late 6.1.y has the newer rule


def test_unaccepted_memory_counts_as_free_from_6_5_to_6_10() -> None:
    guest = zone("Normal", f"free:40000 min:4000 unaccepted:38000 {WHOLE}", reserve=(0, 0, 0, 0, 0))
    assert check_zone(guest, request(0xCC0, "6.5.0")).outcome == "short"
    assert "hypervisor" in check_zone(guest, request(0xCC0, "6.5.0")).why
    assert check_zone(guest, request(0xCC0, "6.12.0")).outcome == "passes"


def test_red_hat_s_2_6_32_and_the_original_are_both_tried() -> None:
    # Order 2: 100 + 2*20 + 4*50 + 8*1 = 348 pages, min 100; 345 > 100, 345 - 100 > 50, 245 - 40 > 25.
    many = zone("Normal", "free:1392 min:400", reserve=(0, 0, 0, 0), blocks="100*4kB 20*8kB 50*16kB 1*32kB")
    assert check_zone(many, request(0xD0, "2.6.32", order=2)).outcome == "passes"
    # 100 + 40 + 4*5 = 160: 160 - 3 - 140 = 17 <= 25; Red Hat asks for more than 0 after 160 - 5 - 140 = 15.
    few = zone("Normal", "free:640 min:400", reserve=(0, 0, 0, 0), blocks="100*4kB 20*8kB 5*16kB")
    assert check_zone(few, request(0xD0, "2.6.32", order=2)).outcome == "unknown"
    assert check_zone(few, request(0xD0, "2.6.33", order=2)).outcome == "fragmentation"


@pytest.mark.parametrize(
    ("entries", "names", "highest", "pages"),
    [
        ((0, 488, 488, 488), ("DMA", "DMA32"), "Normal", 488),
        # arm64 without DMA32: the entry that adds pages is Normal's, so a list with DMA32 explains it.
        ((0, 0, 3000, 3000, 3000), ("DMA", "Normal"), "Normal", 3000),
        ((0, 865, 3032, 3032), ("DMA", "Normal", "HighMem"), "Normal", 865),
        ((0, 865, 3032, 3032), ("DMA", "Normal", "HighMem"), "Movable", 3032),
        ((0, 865, 3032, 3032), ("DMA",), "Normal", None),  # the second zone may be DMA32 or Normal
        ((0, 192, 192, 192, 192), ("DMA",), "Normal", 192),
        (None, ("DMA",), "Normal", None),
        (None, ("DMA",), "DMA", 0),
        ((0,) * 9, ("DMA",), "Normal", None),
    ],
)
def test_the_entry_of_lowmem_reserve_is_found_by_the_zones_that_are_printed(
    entries: tuple[int, ...] | None, names: tuple[str, ...], highest: str, pages: int | None
) -> None:
    dma = zone("DMA", "free:4000 min:400", reserve=entries)
    assert reserve_pages(dma, highest, names) == pages


def test_the_drift_is_the_threshold_of_every_cpu() -> None:
    # 51754 pages are 202 MB, one unit of 128 MB: 2 * fls(2) * (1 + fls(1)) = 8 for each of two CPUs.
    # 256 GB on 64 CPUs: 2 * fls(64) * (1 + fls(2048)) = 2 * 7 * 13 = 182, at most 125.
    assert drift_pages(zone("DMA32", "free:0 min:4 managed:207016"), 2) == 16
    assert drift_pages(zone("Normal", f"free:0 min:4 managed:{256 << 20}"), 64) == 64 * 125
    assert drift_pages(zone("Normal", "free:0 min:4"), None) == 125


def test_what_is_not_printed_but_could_decide_leaves_the_outcome_open() -> None:
    cut = zone("Normal", "free:90000 min:4000")
    open_ = check_zone(cut, request(0xCC0, "6.12.0", order=2))
    assert open_.outcome == "unknown"
    assert open_.missing == ("free_cma", "reserved_highatomic", "the list of free blocks")
    # Too little stays too little, whatever else would be taken from it.
    assert check_zone(replace(cut, free_pages=900), request(0xCC0, "6.12.0")).outcome == "short"


def test_cma_pages_are_back_in_the_count_of_the_orders_from_3_11_on() -> None:
    # Order 1, 400 free, 200 of it CMA, min 100: 400 - 1 - 200 = 199 > 100. Orders: 199 - 180 = 19 <= 50, but
    # with the CMA pages, 399 - 180 = 219 > 50, and the two types have blocks of two pages.
    mixed = zone(
        "Normal", "free:1600 min:400 free_cma:800", reserve=(0,) * 4, blocks="180*4kB (UC) 110*8kB (UC)"
    )
    assert check_zone(mixed, request(0xD0, "3.9.0", order=1)).outcome == "fragmentation"
    assert check_zone(mixed, request(0xD0, "3.11.0", order=1)).outcome == "passes"
    assert check_zone(mixed, request(0xD0, "3.10.0", order=1)).outcome == "unknown"


VERSIONS = [form.since for form in FORMS] + [(2, 6, 32), (5, 4, 80), (5, 10, 100), (6, 1, 0), None]
MASKS = [0x0, 0x20, 0x800, 0x820, 0xA20, 0xCC0, 0x100CCA, 0x10CC0, 0x20CC0, 0x92880, 0xD0, 0x2080020]
PAGES = st.integers(0, 1 << 22)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Zone, Request]:
    version = draw(st.sampled_from(VERSIONS))
    counts = draw(st.none() | st.lists(st.tuples(st.integers(0, 99), st.sampled_from(["", "U", "UMH", "C"]))))
    maybe = st.none() | PAGES
    one = Zone(
        name=draw(st.sampled_from(ZONES)),
        node=draw(st.none() | st.integers(0, 2)),
        free_pages=draw(PAGES),
        min_pages=draw(PAGES),
        low_pages=draw(PAGES),
        high_pages=draw(PAGES),
        boost_pages=draw(maybe),
        managed_pages=draw(maybe),
        reserved_highatomic_pages=draw(maybe),
        free_highatomic_pages=draw(maybe),
        free_cma_pages=draw(maybe),
        unaccepted_pages=draw(maybe),
        lowmem_reserve_pages=draw(st.none() | st.lists(PAGES, max_size=7).map(tuple)),
        blocks=None
        if counts is None
        else tuple(FreeBlocks(order=order, count=c, types=t) for order, (c, t) in enumerate(counts)),
    )
    asked = Request(
        order=draw(st.integers(0, 12)),
        gfp=decode(draw(st.sampled_from(MASKS)), release=".".join(map(str, version)) if version else None),
        version=version,
        realtime=draw(st.none() | st.booleans()),
        memalloc_task=draw(st.none() | st.booleans()),
        dying_task=draw(st.none() | st.booleans()),
        nodes=draw(st.none() | st.just((0,))),
    )
    return one, asked


@given(cases(), PAGES)
def test_more_free_memory_never_turns_a_pass_into_a_failure(case: tuple[Zone, Request], more: int) -> None:
    one, asked = case
    if check_zone(one, asked).outcome == "passes":
        assert check_zone(replace(one, free_pages=one.free_pages + more), asked).outcome == "passes"


@given(cases(), PAGES)
def test_a_higher_min_never_turns_a_failure_into_a_pass(case: tuple[Zone, Request], more: int) -> None:
    one, asked = case
    raised = replace(
        one, min_pages=one.min_pages + more, low_pages=one.low_pages + more, boost_pages=one.boost_pages or 0
    )
    if check_zone(raised, asked).outcome == "passes":
        assert check_zone(replace(one, boost_pages=one.boost_pages or 0), asked).outcome == "passes"


@given(cases())
def test_the_steps_add_up(case: tuple[Zone, Request]) -> None:
    one, asked = case
    ledger = check_zone(one, asked)
    if ledger.margin_pages is not None:
        assert sum(step.pages for step in ledger.steps) == ledger.margin_pages
        assert ledger.left_pages is not None and ledger.needed_pages is not None
        assert ledger.left_pages - ledger.needed_pages + 1 == ledger.margin_pages
    assert 0 <= ledger.usable_pages <= one.free_pages
    assert ledger.outcome != "passes" or (ledger.margin_pages or 0) > 0


def test_a_list_without_letters_is_any_type() -> None:
    assert listed("1*4kB 2*8kB")[1] == FreeBlocks(order=1, count=2, types=None)
