# SPDX-License-Identifier: GPL-2.0-or-later
"""/proc/pagetypeinfo, as mm/vmstat.c prints it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keepsane.kernel.pages.zone import Zone
from keepsane.memory.proc.pagetypeinfo import parse_pagetypeinfo

# Two nodes, two types of three orders; 5.5 and later stop counting at 100,000.
TEXT = """\
Page block order: 9
Pages per block:  512

Free pages count per migrate type at order       0      1      2\x20
Node    0, zone   Normal, type    Unmovable      4      5      6\x20
Node    0, zone   Normal, type      Movable >100000     7      0\x20

Number of blocks type     Unmovable      Movable\x20
Node 0, zone   Normal           84         2860\x20

Number of mixed blocks    Unmovable      Movable\x20
Node 0, zone   Normal            3            0\x20
Page block order: 9
Pages per block:  512

Free pages count per migrate type at order       0      1      2\x20
Node    1, zone   Normal, type    Unmovable      1      0      0\x20

Number of blocks type     Unmovable      Movable\x20
Node 1, zone   Normal            2            1\x20
"""


ZONE = Zone(name="Normal", node=0, free_pages=0, min_pages=0, low_pages=0, high_pages=0)
RESERVE = """Page block order: 9
Node    0, zone   Normal, type   HighAtomic      2      0      1      0      0
Number of blocks type     Unmovable      Movable  Reclaimable   HighAtomic
Node 0, zone   Normal           84         2860          128            3
"""


def test_free_blocks_by_type_and_order() -> None:
    found = parse_pagetypeinfo(TEXT)

    assert found.pageblock_order == 9
    assert [(free.node, free.type) for free in found.free] == [
        (0, "Unmovable"),
        (0, "Movable"),
        (1, "Unmovable"),
    ]
    assert found.free[0].counts == (4, 5, 6)


def test_where_the_kernel_stopped_counting_there_are_at_least_as_many() -> None:
    assert parse_pagetypeinfo(TEXT).free[1].counts == (100000, 7, 0)


def test_pageblocks_by_type_of_every_node() -> None:
    found = [(each.node, each.type, each.blocks) for each in parse_pagetypeinfo(TEXT).pageblocks]

    # Those that are mixed are another count.
    assert found == [(0, "Unmovable", 84), (0, "Movable", 2860), (1, "Unmovable", 2), (1, "Movable", 1)]


def test_the_reserve_for_atomic_blocks_is_counted_in_pages() -> None:
    found = parse_pagetypeinfo(RESERVE).highatomic_pages(ZONE)
    # 3 pageblocks of 512; free are 2 of one page and 1 of four.
    assert found == (1536, 6)


def test_what_is_not_listed_is_not_zero() -> None:
    for line in RESERVE.splitlines()[:2]:
        assert parse_pagetypeinfo(RESERVE.replace(line, "")).highatomic_pages(ZONE) is None


@given(st.text() | st.lists(st.sampled_from(TEXT.splitlines())).map("\n".join))
def test_any_text_is_read(text: str) -> None:
    parse_pagetypeinfo(text)
