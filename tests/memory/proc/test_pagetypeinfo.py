# SPDX-License-Identifier: GPL-2.0-or-later
"""/proc/pagetypeinfo, as mm/vmstat.c prints it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

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


def test_free_blocks_by_type_and_order() -> None:
    found = parse_pagetypeinfo(TEXT)

    assert found.pageblock_order == 9
    assert [(free.node, free.type) for free in found.free] == [
        (0, "Unmovable"),
        (0, "Movable"),
        (1, "Unmovable"),
    ]
    assert [count.blocks for count in found.free[0].counts] == [4, 5, 6]


def test_where_the_kernel_stopped_counting_is_said() -> None:
    most, seven, _ = parse_pagetypeinfo(TEXT).free[1].counts

    assert (most.blocks, most.more) == (100000, True)
    assert (seven.blocks, seven.more) == (7, False)


def test_pageblocks_by_type_of_every_node() -> None:
    found = [
        (each.node, each.type, each.count) for each in parse_pagetypeinfo(TEXT).pageblocks if not each.mixed
    ]

    assert found == [(0, "Unmovable", 84), (0, "Movable", 2860), (1, "Unmovable", 2), (1, "Movable", 1)]


def test_mixed_blocks_are_another_count() -> None:
    assert [each.count for each in parse_pagetypeinfo(TEXT).pageblocks if each.mixed] == [3, 0]


@given(st.text() | st.lists(st.sampled_from(TEXT.splitlines())).map("\n".join))
def test_any_text_is_read(text: str) -> None:
    parse_pagetypeinfo(text)
