# SPDX-License-Identifier: GPL-2.0-or-later
"""/proc/buddyinfo, as frag_show_print() writes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.kernel.pages.zone import FreeBlocks, Zone
from keepsane.memory.proc.buddyinfo import parse_buddyinfo, with_blocks
from keepsane.memory.proc.zoneinfo import parse_zoneinfo

TEXT = """\
Node 0, zone      DMA      0      0      0      0      0      0      0      0      1      1      3\x20
Node 0, zone   Normal    665    196    285    489    281    200     81    339    229    141    442\x20
"""


def _pages(blocks: tuple[FreeBlocks, ...]) -> int:
    return sum(block.count << block.order for block in blocks)


def test_blocks_are_counted_by_order() -> None:
    found = parse_buddyinfo(TEXT)

    # 1 block of 256 pages, 1 of 512, 3 of 1024: 256 + 512 + 3072 = 3840
    assert _pages(found[0, "DMA"]) == 3840
    assert [(block.order, block.count) for block in found[0, "Normal"]][:2] == [(0, 665), (1, 196)]
    assert found[0, "Normal"][0].types is None


def test_a_line_that_is_cut_is_not_read() -> None:
    assert list(parse_buddyinfo(TEXT[:-4])) == [(0, "DMA")]


def test_a_zone_takes_its_own_blocks() -> None:
    zone = Zone(name="DMA", node=0, free_pages=3840, min_pages=1, low_pages=2, high_pages=3)

    dma, other = with_blocks((zone, replace(zone, node=1)), parse_buddyinfo(TEXT))

    assert dma.blocks is not None and dma.blocks[10].count == 3
    assert other.blocks is None


@pytest.mark.skipif(not Path("/proc/buddyinfo").exists(), reason="this machine has no /proc/buddyinfo")
def test_this_machines_blocks_add_up_to_its_free_pages() -> None:
    zones = parse_zoneinfo(Path("/proc/zoneinfo").read_text())
    blocks = parse_buddyinfo(Path("/proc/buddyinfo").read_text())
    for zone in zones:
        if zone.present_pages:
            # Memory is allocated and freed between the two files, and counters lag behind by CPU.
            apart = _pages(blocks[zone.node, zone.name]) - zone.free_pages
            assert abs(apart) < max(65536, zone.present_pages // 4)


@given(st.text() | st.lists(st.sampled_from(TEXT.splitlines())).map("\n".join))
def test_any_text_is_read(text: str) -> None:
    parse_buddyinfo(text)
