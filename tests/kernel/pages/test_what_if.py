# SPDX-License-Identifier: GPL-2.0-or-later
"""Watermarks that other settings would give, worked out by hand as __setup_per_zone_wmarks() does."""

from __future__ import annotations

import pytest

from keepsane.kernel.pages.mem_info import MemInfo
from keepsane.kernel.pages.what_if import min_free_kibibytes_of, what_if
from tests.kernel.zones import mem_info, request, zone


def guest(*, dma32_free: int = 600, boost: int = 0) -> MemInfo:
    """Give a guest of 256 MB: 3840 + 51754 = 55594 managed pages, minima 33 and 427 pages without boost."""
    return mem_info(
        zone(
            "DMA",
            "free:812 boost:0 min:132 low:164 high:196 managed:15360 reserved_highatomic:0 free_cma:0",
            reserve=(0, 192, 192, 192, 192),
        ),
        zone(
            "DMA32",
            f"free:{dma32_free} boost:{boost} min:{1708 + boost} low:{2132 + boost} high:{2556 + boost} "
            "managed:207016 reserved_highatomic:0 free_cma:0",
            reserve=(0, 0, 0, 0, 0),
        ),
    )


@pytest.mark.parametrize("boost", [0, 2048])
def test_min_free_kbytes_is_the_sum_of_the_minima_without_boost(boost: int) -> None:
    # 33 + 427 pages.
    assert min_free_kibibytes_of(guest(boost=boost)) == 1840


def test_a_larger_min_free_kbytes_is_shared_out_by_size() -> None:
    # 8192 kB are 2048 pages: 2048 * 3840 / 55594 = 141, 2048 * 51754 / 55594 = 1906; low lies a quarter
    # above, 35 and 476, which is more than a thousandth of the zone.
    zones = what_if(guest(), request(0xA20, "6.1.0"), min_free_kibibytes=8192).zones
    assert [(one.min_pages, one.low_pages, one.high_pages) for one in zones] == [
        (141, 176, 211),
        (1906, 2382, 2858),
    ]


def test_a_larger_min_helps_an_atomic_page_by_what_others_leave_and_not_by_itself() -> None:
    # As logged 150 <= 1906 - 953 - 238 = 715. Others would have left 1906 - 427 = 1479 more: 1629 > 715.
    changed = what_if(guest(), request(0xA20, "6.1.0"), min_free_kibibytes=8192)
    assert changed.same_free and changed.same_free.verdict == "shortage"
    assert changed.kept_free and changed.kept_free.zones[1].margin_pages == 1629 - 715


def test_more_than_all_memory_cannot_be_kept_free() -> None:
    # 55594 pages are 222376 kB.
    changed = what_if(guest(), request(0xA20, "6.1.0"), min_free_kibibytes=222376)
    assert (changed.why, changed.kept_free) == ("the zones do not have so much memory", None)


def test_the_scale_factor_moves_low_and_high_and_never_the_check() -> None:
    # 200 ten-thousandths of 51754 are 1035, of 3840 are 76.
    changed = what_if(guest(), request(0xA20, "6.1.0"), watermark_scale_factor=200)
    assert [(one.min_pages, one.low_pages, one.high_pages) for one in changed.zones] == [
        (33, 33 + 76, 33 + 152),
        (427, 427 + 1035, 427 + 2070),
    ]
    assert changed.same_free and [one.margin_pages for one in changed.same_free.zones] == [-2, -11]


def test_before_4_6_there_is_no_scale_factor() -> None:
    old = what_if(guest(), request(0x20, "3.16.0"), watermark_scale_factor=200)
    assert old.zones == guest().zones


def test_high_memory_has_its_own_min() -> None:
    # 32-bit: HighMem 600000 kB managed, 150000 / 1024 = 146, at most 128. Its gap follows the share.
    old = mem_info(
        zone("Normal", "free:9000 min:3500 low:4375 high:5250 managed:850000", reserve=(0, 0, 4687, 4687)),
        zone("HighMem", "free:9000 min:512 low:1128 high:1744 managed:600000", reserve=(0, 0, 0, 0)),
    )
    assert min_free_kibibytes_of(old) == 3500
    zones = what_if(old, request(0xD0, "3.2.0"), min_free_kibibytes=7000).zones
    # 1750 pages for Normal alone, and 1750 * 150000 / 212500 = 1235 as HighMem's share: a quarter is 308,
    # half is 617.
    assert [(one.min_pages, one.low_pages, one.high_pages) for one in zones] == [
        (1750, 1750 + 437, 1750 + 875),
        (128, 128 + 308, 128 + 617),
    ]


def test_a_report_that_does_not_print_all_zones_cannot_be_replayed() -> None:
    dma = mem_info(guest().zones[0], free=45264)
    assert min_free_kibibytes_of(dma) is None
    assert "not all are printed" in what_if(dma, request(0xA21, "6.1.0"), min_free_kibibytes=8192).why
    one_node = mem_info(guest().zones[1], free=45264)
    assert min_free_kibibytes_of(one_node) is None


@pytest.mark.parametrize("settings", [{"min_free_kibibytes": -1}, {"watermark_scale_factor": 0}])
def test_what_the_kernel_refuses_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"min_free|watermark_scale"):
        what_if(guest(), request(0xA20, "6.1.0"), **settings)


def test_before_4_6_high_lies_half_of_min_above_it() -> None:
    # mm/page_alloc.c of 3.10: min + (min >> 2) and min + (min >> 1) of 141 and 1906 pages, as above.
    zones = what_if(guest(), request(0x20, "3.10.0"), min_free_kibibytes=8192).zones
    assert [(one.low_pages, one.high_pages) for one in zones] == [
        (141 + 35, 141 + 70),
        (1906 + 476, 1906 + 953),
    ]
