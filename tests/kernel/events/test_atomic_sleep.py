# SPDX-License-Identifier: GPL-2.0-or-later
"""Sleeping where it is forbidden."""

from __future__ import annotations

from keepsane.kernel.events.atomic_sleep import AtomicSleep
from tests.golden import first_of


def test_what_forbade_it() -> None:
    event = first_of("atomic-sleep/with-lock-6.1")

    assert isinstance(event, AtomicSleep)
    assert (event.preempt_count, event.irqs_disabled) == (1, False)
    assert (event.file, event.source_line) == ("include/linux/sched/mm.h", 274)
    assert event.disabled_in == "drop_widget"
    assert [(lock.name, lock.function) for lock in event.locks] == [("widget_lock", "drop_widget")]


def test_schedule_itself() -> None:
    event = first_of("atomic-sleep/lab-6.1")

    assert isinstance(event, AtomicSleep)
    assert (event.preempt_count, event.irqs_disabled, event.locks) == (2, None, ())


def test_arm64_frame_below_an_interrupt_was_executing() -> None:
    frames = first_of("atomic-sleep/arm64-5.17").stacks[0].frames

    assert [frame.function for frame in frames if frame.role == "ip"] == ["add_widget"]
