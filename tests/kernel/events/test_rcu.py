# SPDX-License-Identifier: GPL-2.0-or-later
"""Grace periods that do not end."""

from __future__ import annotations

from keepsane.api import explain
from keepsane.kernel.events.rcu import RcuStall
from keepsane.model import Task
from tests.golden import CASES, first_of, read_case


def test_the_stalled_cpu_and_its_task_among_several_stacks() -> None:
    event = first_of("rcu-stall/lab-6.12-starved")

    assert isinstance(event, RcuStall)
    assert (event.flavor, event.cpus, event.starved_jiffies) == ("rcu_preempt", (0,), 1209)
    assert event.task == Task(comm="init", pid=1, cpu=0)
    assert event.ip is not None
    assert event.ip.function == "do_rcustall"
    assert len(event.stacks) == 3


def test_the_old_form_on_one_line() -> None:
    event = first_of("rcu-stall/one-line-3.16")

    assert isinstance(event, RcuStall)
    assert (event.flavor, event.cpus) == ("rcu_sched", (1,))


def test_a_stack_without_certain_frames_names_no_function() -> None:
    event = first_of("rcu-stall/expedited-6.1")

    assert event.title == "rcu_preempt stall"
    assert not any(frame.reliable for frame in event.stacks[0].frames)


def test_starved_is_the_number_of_the_line_that_says_starved() -> None:
    event = first_of("rules/rcu-timer-issue")

    assert isinstance(event, RcuStall)
    assert event.starved_jiffies == 1519


def test_a_cpu_that_was_only_asked_is_not_the_stalled_one() -> None:
    """The log ends behind the stack of CPU 1, where RCU's thread ran last; CPU 0 stalled."""
    whole = read_case(CASES / "rcu-stall" / "lab-6.12-starved.case").log
    cut = whole[: whole.index("CPU: 0 UID")]
    report = explain(cut, cache=False)

    assert report.events[0].title == "rcu_preempt stall"
    assert "cpu-stuck-waiting" not in {finding.rule for finding in report.findings}
