# SPDX-License-Identifier: GPL-2.0-or-later
"""What the slab allocator says, read as fields."""

from __future__ import annotations

from keepsane.kernel.events.slub import SlabCorruption
from tests.golden import events_of, first_of


def test_who_had_the_object() -> None:
    for name in ("slab-corruption/poison-overwritten", "slab-corruption/freed-twice-4.4"):
        event = first_of(name)

        assert isinstance(event, SlabCorruption)
        assert (event.allocated_in, event.freed_in) == ("make_widget", "drop_widget")
        assert len(event.stacks) == 3
        assert event.stacks[-1].name == "Call Trace"


def test_a_track_without_its_report() -> None:
    log = "INFO: Freed in drop_widget+0x14/0x20 age=57 cpu=0 pid=101\n\t__slab_free+0x18c/0x2b0\n"
    (event,) = events_of(log)

    assert event.title == "slab object: Freed in drop_widget"
    assert event.damage.startswith("the line that says what is wrong is missing")
