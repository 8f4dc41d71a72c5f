# SPDX-License-Identifier: GPL-2.0-or-later
"""What kmemleak says, read as fields."""

from __future__ import annotations

from keepsane.kernel.events.kmemleak import Kmemleak
from tests.golden import events_of, first_of


def test_the_object_and_who_allocated_it() -> None:
    event = first_of("kmemleak/two-objects")

    assert isinstance(event, Kmemleak)
    assert (event.address, event.size_bytes) == (0xFFFF8880123450C0, 64)
    assert event.task is not None
    assert (event.task.comm, event.task.pid) == ("insmod", 101)


def test_only_a_number() -> None:
    event = first_of("kmemleak/only-counted")

    assert isinstance(event, Kmemleak)
    assert event.count == 3


def test_one_leak_is_no_plural() -> None:
    (event,) = events_of("kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)")

    assert event.title == "1 suspected memory leak"
