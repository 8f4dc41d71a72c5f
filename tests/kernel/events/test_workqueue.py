# SPDX-License-Identifier: GPL-2.0-or-later
"""Worker pools that do not move, and work that leaves something held."""

from __future__ import annotations

from keepsane.kernel.events.workqueue import WorkqueueLeak, WorkqueueLockup
from tests.golden import first_of


def test_what_runs_in_the_stuck_pool() -> None:
    event = first_of("workqueue-lockup/6.1")

    assert isinstance(event, WorkqueueLockup)
    assert event.pool == "cpus=1 node=0 flags=0x0 nice=0"
    assert (event.stuck_seconds, event.in_flight) == (32, ("widget_work",))


def test_a_leaked_lock_is_listed() -> None:
    event = first_of("lockdep/workqueue-leaked-lock")

    assert isinstance(event, WorkqueueLeak)
    assert (event.function, event.preempt_count) == ("widget_work", 0)
    assert [(lock.line, lock.name, lock.function) for lock in event.locks] == [
        (4, "widget_lock", "take_widget")
    ]
