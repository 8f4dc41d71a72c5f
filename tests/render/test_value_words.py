# SPDX-License-Identifier: GPL-2.0-or-later
"""Values made of others, in words."""

from __future__ import annotations

from keepsane.kernel.pages.mem_info import Amount, HugePages, MemInfo
from keepsane.kernel.pages.zone import FreeBlocks, Zone
from keepsane.model import Frame
from keepsane.render.value_words import MOST_ROWS, value_words


def test_a_frame() -> None:
    frame = Frame(line=1, function="poll", offset_bytes=0x12, size_bytes=0x345, module="nic")

    assert value_words(frame) == "poll+0x12/0x345 [nic]"


def test_numbers() -> None:
    assert value_words((0, 1, 4)) == "0, 1, 4"


def test_a_memory_report_has_a_line_for_each_zone() -> None:
    zone = Zone(
        name="DMA",
        free_pages=3,
        min_pages=1,
        low_pages=2,
        high_pages=4,
        blocks=(FreeBlocks(order=0, count=1, types="U"), FreeBlocks(order=1, count=1)),
    )
    info = MemInfo(
        line=1,
        page_bytes=4096,
        totals=(Amount("free", 3), Amount("slab", 5)),
        zones=(zone,),
        hugepages=(HugePages(0, 2048, 1, 1, 0),),
    )

    said = value_words(info).splitlines()
    assert "totals: free 3; slab 5" in said
    assert said[2].startswith("zones: name DMA, line 0, free 3 pages, min 1 page")
    assert said[3] == "blocks: 1 of order 0 (U); 1 of order 1"
    assert said[4] == "hugepages: node 0, size kibibytes 2048, total 1, free 1, surplus 0"


def test_a_long_table_is_shortened_and_says_so() -> None:
    rows = tuple(Frame(line=1, function=f"f{at}", offset_bytes=None, size_bytes=None) for at in range(40))

    said = value_words(rows).splitlines()
    assert len(said) == MOST_ROWS + 1
    assert said[-1] == f"... and {40 - MOST_ROWS} more"
