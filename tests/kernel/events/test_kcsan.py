# SPDX-License-Identifier: GPL-2.0-or-later
"""What a KCSAN report says, read as fields."""

from __future__ import annotations

from keepsane.kernel.events.kcsan import Access, Kcsan
from tests.golden import first_of


def test_both_sides() -> None:
    event = first_of("kcsan/two-sides")

    assert isinstance(event, Kcsan)
    assert event.functions == ("count_up", "show_count")
    assert event.accesses == (
        Access("write", 0xFFFF888012345010, 4, 101, 0),
        Access("read", 0xFFFF888012345010, 4, None, 1),
    )
    assert (event.before, event.after) == (7, 8)
    assert [len(stack.frames) for stack in event.stacks] == [3, 3]


def test_the_side_that_was_not_seen_is_not_invented() -> None:
    event = first_of("kcsan/unknown-origin")

    assert isinstance(event, Kcsan)
    assert event.functions == ("show_count",)
    assert len(event.accesses) == 1


def test_an_assertion() -> None:
    event = first_of("kcsan/assertion")

    assert isinstance(event, Kcsan)
    assert [access.what for access in event.accesses] == ["assert no accesses", "read"]
