# SPDX-License-Identifier: GPL-2.0-or-later
"""WARN() in all its forms."""

from __future__ import annotations

import pytest

from keepsane.kernel.events.warning.warning import Warning
from keepsane.model import Task
from tests.golden import events_of, first_of


@pytest.mark.parametrize(
    ("slug", "source_line"),
    [("panic-on-warn-4.18", 81), ("new-head-6.19", 504), ("3.2-no-cpu", 81)],
)
def test_where_the_check_stands(slug: str, source_line: int) -> None:
    event = first_of(f"warning/{slug}")

    assert isinstance(event, Warning)
    assert event.source_line == source_line
    assert event.ip is not None
    assert event.ip.function == "drop_widget"


def test_the_words_before_the_head_are_its_message() -> None:
    event = first_of("warning/new-head-6.19")

    assert isinstance(event, Warning)
    assert event.message == "!widget_ready"
    assert event.task == Task(comm="insmod", pid=101, cpu=1)


@pytest.mark.parametrize(
    ("checked", "stack", "title"),
    [
        ("warn_end", " other_end+0x10/0x20\n", "warning in warn_end"),
        ("kmalloc_slab", " dump_stack+0x10/0x20\n panic+0x10/0x20\n", "warning in kmalloc_slab"),
    ],
)
def test_a_title_names_no_reporter_and_no_caller_of_a_like_name(checked: str, stack: str, title: str) -> None:
    head = f"WARNING: CPU: 1 PID: 9 at mm/widget.c:12 {checked}+0x5d/0x70\n"

    assert events_of(head + "Call Trace:\n" + stack)[0].title == title


def test_a_condition_in_brackets_is_the_message() -> None:
    event = first_of("warning/condition-6.19")

    assert isinstance(event, Warning)
    assert (event.message, event.file, event.source_line) == ("refs < 0", "drivers/misc/widget.c", 70)


def test_a_pid_below_zero_is_no_pid() -> None:
    event = first_of("warning/negative-pid")

    assert event.kind == "warning"
    assert event.task is not None
    assert (event.task.cpu, event.task.pid) == (5, None)
