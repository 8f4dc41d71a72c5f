# SPDX-License-Identifier: GPL-2.0-or-later
"""Stacks that belong to no report."""

from __future__ import annotations

from tests.golden import first_of


def test_every_cpu_is_a_stack() -> None:
    event = first_of("backtrace/lab-6.12-all-cpus")

    assert [stack.name for stack in event.stacks] == ["NMI backtrace for cpu 0", "NMI backtrace for cpu 1"]


def test_the_line_above_says_who() -> None:
    event = first_of("backtrace/bare-5.10")

    assert event.task is not None
    assert event.task.comm == "insmod"
    assert event.release == "5.10.9-widget"
