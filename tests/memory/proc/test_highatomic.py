# SPDX-License-Identifier: GPL-2.0-or-later
"""The reserve for atomic blocks, counted by hand."""

from __future__ import annotations

from keepsane.kernel.pages.zone import Zone
from keepsane.memory.proc.highatomic import highatomic_pages
from keepsane.memory.proc.pagetypeinfo import parse_pagetypeinfo

ZONE = Zone(name="Normal", node=0, free_pages=0, min_pages=0, low_pages=0, high_pages=0)
TEXT = """Page block order: 9
Node    0, zone   Normal, type   HighAtomic      2      0      1      0      0
Number of blocks type     Unmovable      Movable  Reclaimable   HighAtomic
Node 0, zone   Normal           84         2860          128            3
"""


def test_blocks_are_counted_in_pages() -> None:
    found = highatomic_pages(parse_pagetypeinfo(TEXT), ZONE)
    # 3 pageblocks of 512; free are 2 of one page and 1 of four.
    assert found == (1536, 6)


def test_what_is_not_listed_is_not_zero() -> None:
    for line in TEXT.splitlines()[:2]:
        assert highatomic_pages(parse_pagetypeinfo(TEXT.replace(line, "")), ZONE) is None
