# SPDX-License-Identifier: GPL-2.0-or-later
"""Tasks and what they wait for."""

from __future__ import annotations

from keepsane.kernel.events.task_dump import TaskDump
from keepsane.model import Task
from tests.golden import first_of


def test_the_row_of_an_old_kernel() -> None:
    event = first_of("task-dump/post-2.6")

    assert isinstance(event, TaskDump)
    assert event.task == Task(comm="bash", pid=3829, cpu=None)
    assert (event.state, event.state_means, event.parent_pid) == ("S", "sleeping", 3753)
    assert [(frame.function, frame.address, frame.reliable) for frame in event.stacks[0].frames] == [
        ("check_preempt_curr", 0xFFFFFFFF8103E2FA, False),
        ("schedule", 0xFFFFFFFF81542E45, True),
        ("tty_read", 0xFFFFFFFF81389FF6, True),
    ]


def test_state_and_stack_use_without_a_blank() -> None:
    event = first_of("task-dump/stack-usage-4.14")

    assert isinstance(event, TaskDump)
    assert (event.state, event.parent_pid) == ("I", 2)
