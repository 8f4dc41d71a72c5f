# SPDX-License-Identifier: GPL-2.0-or-later
"""The OOM killer, read as fields."""

from __future__ import annotations

from keepsane.kernel.oom import OomKill
from tests.golden import first_of


def test_who_asked_and_who_was_killed() -> None:
    event = first_of("oom-kill/lab-oom-6.12")

    assert isinstance(event, OomKill)
    assert event.task is not None
    assert event.task.comm == "busybox"
    assert event.victim == "busybox"
    assert event.order == 0
    assert event.constraint == "CONSTRAINT_NONE"


def test_a_control_group() -> None:
    event = first_of("oom-kill/control-group")

    assert isinstance(event, OomKill)
    assert (event.constraint, event.cgroup) == ("CONSTRAINT_MEMCG", "/small")
    assert (event.victim, event.victim_pid) == ("hungry", 140)
