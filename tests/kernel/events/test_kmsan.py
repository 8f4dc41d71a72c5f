# SPDX-License-Identifier: GPL-2.0-or-later
"""What a KMSAN report says, read as fields."""

from __future__ import annotations

from keepsane.kernel.events.kmsan import Kmsan
from tests.golden import first_of


def test_the_bytes_and_where_they_came_from() -> None:
    event = first_of("kmsan/local-variable")

    assert isinstance(event, Kmsan)
    assert (event.bug, event.variable) == ("uninit-value", "reply")
    assert (event.first_byte, event.last_byte, event.size_bytes) == (4, 7, 12)
    assert [stack.name for stack in event.stacks] == [
        "Call Trace",
        "Uninit was stored to memory at",
        "Local variable reply created at",
    ]


def test_a_single_byte() -> None:
    event = first_of("kmsan/leak-to-user-space")

    assert isinstance(event, Kmsan)
    assert (event.first_byte, event.last_byte, event.size_bytes) == (7, 7, 8)
