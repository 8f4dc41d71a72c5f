# SPDX-License-Identifier: GPL-2.0-or-later
"""Tasks that wait for ever."""

from __future__ import annotations

from keepsane.kernel.events.hung_task.report import HungTask
from keepsane.model import Task
from tests.golden import first_of


def test_the_task_is_the_one_that_hangs() -> None:
    event = first_of("hung-task/lab-6.12-with-nmi")

    assert isinstance(event, HungTask)
    assert event.task == Task(comm="init", pid=150, cpu=None)
    assert event.seconds == 5
    assert [stack.name for stack in event.stacks] == [
        "task:init",
        "NMI backtrace for cpu 0",
        "NMI backtrace for cpu 1",
    ]


def test_who_holds_the_lock() -> None:
    event = first_of("hung-task/owner-6.16")

    assert isinstance(event, HungTask)
    assert (event.lock, event.owner) == ("mutex", Task(comm="insmod", pid=101, cpu=None))


def test_no_owner_is_said_to_be_none() -> None:
    event = first_of("hung-task/io-wait-6.18")

    assert isinstance(event, HungTask)
    assert (event.seconds, event.lock, event.owner) == (241, None, None)
