# SPDX-License-Identifier: GPL-2.0-or-later
"""CPUs that are stuck."""

from __future__ import annotations

from keepsane.kernel.events.watchdog.lockup import Lockup
from keepsane.model import Task
from tests.golden import first_of


def test_how_long_and_who() -> None:
    event = first_of("soft-lockup/lab-6.1")

    assert isinstance(event, Lockup)
    assert event.stuck_seconds == 11
    assert event.task == Task(comm="init", pid=1, cpu=1)
    assert event.ip is not None
    assert (event.ip.function, event.ip.role) == ("do_softlockup", "ip")


def test_the_other_cpus_stack_joins_from_its_own_context() -> None:
    event = first_of("soft-lockup/other-cpu-between-callers")

    assert [(stack.name, [frame.function for frame in stack.frames]) for stack in event.stacks] == [
        ("Call Trace", ["crash_write", "vfs_write", "ksys_write", "do_syscall_64"]),
        ("NMI backtrace for cpu 0", ["poll_widget", "kthread"]),
    ]
    assert event.stacks[1].frames[0].role == "ip"


def test_a_hard_lockup_does_not_say_how_long() -> None:
    event = first_of("hard-lockup/6.1")

    assert isinstance(event, Lockup)
    assert event.stuck_seconds is None
    assert event.task == Task(comm="insmod", pid=101, cpu=1)
