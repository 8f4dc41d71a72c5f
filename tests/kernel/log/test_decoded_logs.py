# SPDX-License-Identifier: GPL-2.0-or-later
"""Logs that another tool has decoded already: their files and lines are kept, and nobody has to decode."""

from __future__ import annotations

import pytest

from keepsane.api import explain
from keepsane.model import Frame
from tests.golden import CASES, read_case


def log_of(name: str) -> str:
    return read_case(CASES / f"{name}.case").log


def places(frame: Frame) -> list[tuple[str, str | None, int | None, bool]]:
    return [(place.function, place.file, place.line, place.inlined) for place in frame.locations]


@pytest.mark.parametrize("name", ["decoded-by-the-script", "decoded-with-inlined-functions", "decoded-arm"])
def test_who_gave_a_decoded_log_is_not_told_to_decode_it(name: str) -> None:
    report = explain(log_of(f"null-deref/{name}"), cache=False)

    assert report.failures == ()
    assert [advice.command for finding in report.findings for advice in finding.advice] == []


def test_frames_of_the_script_keep_their_places() -> None:
    event = explain(log_of("null-deref/decoded-by-the-script"), cache=False).events[0]

    assert event.ip is not None
    assert places(event.ip) == [("victim", "net/a.c", 7, False)]
    inlined = next(frame for frame in event.stacks[0].frames if frame.function == "maybe")
    assert not inlined.reliable
    assert places(inlined) == [("??", "net/a.c", 12, True), ("maybe", "net/b.h", 15, False)]
    modules = [frame.module for frame in event.stacks[0].frames]
    assert modules == [None, None, "widget", "widget"]


def test_inlined_lines_of_the_instruction_pointer_are_kept() -> None:
    event = explain(log_of("null-deref/decoded-with-inlined-functions"), cache=False).events[0]

    assert event.ip is not None
    assert places(event.ip) == [
        ("inner_get", "include/linux/w.h", 12, True),
        ("victim", "net/a.c", 7, False),
    ]


def test_the_callee_names_the_function_before_on_arm_only_where_it_has_an_address_of_its_own() -> None:
    known = explain(log_of("null-deref/arm-callee-names-the-function"), cache=False).events[0]
    unknown = explain(log_of("refcount/arm-callee-repeats-the-address"), cache=False).events[0]

    assert [frame.function for frame in known.stacks[0].frames] == [
        "widget_bask",
        "widget_open",
        "ret_fast_syscall",
    ]
    assert "get_taint" in [frame.function for frame in unknown.stacks[0].frames]
