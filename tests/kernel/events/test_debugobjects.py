# SPDX-License-Identifier: GPL-2.0-or-later
"""Object life cycles, read as fields."""

from __future__ import annotations

from keepsane.kernel.events.warning.debugobjects import ObjectWarning
from tests.golden import first_of


def test_operation_state_and_type() -> None:
    event = first_of("warning/object-life-cycle")

    assert isinstance(event, ObjectWarning)
    assert (event.operation, event.state, event.object_type) == ("free", "active", "timer_list")
    assert event.hint == "widget_tick"
