# SPDX-License-Identifier: GPL-2.0-or-later
"""Breaches of locking rules."""

from __future__ import annotations

import pytest

from keepsane.kernel.events.lockdep.report import Lockdep
from tests.golden import first_of


@pytest.mark.parametrize("slug", ["circular-6.1", "circular-4.4"])
def test_the_old_head_says_the_same_as_the_new(slug: str) -> None:
    event = first_of(f"lockdep/{slug}")

    assert isinstance(event, Lockdep)
    assert event.problem == "possible circular locking dependency detected"
    assert [lock.name for lock in event.locks] == ["sb_writers#4", "gadget_lock"]
    assert [stack.name for stack in event.stacks] == [
        "-> #1 (gadget_lock){+.+.}-{3:3}",
        "-> #0 (widget_lock){+.+.}-{3:3}",
        "Call Trace",
    ]


def test_the_task_is_known_before_its_stack() -> None:
    event = first_of("lockdep/circular-cut")

    assert event.task is not None
    assert (event.task.comm, event.task.pid) == ("insmod", 101)
