# SPDX-License-Identifier: GPL-2.0-or-later
"""Every scenario on every kernel decodes to the line that crashme.c marks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from tests.live.crashme import CHAINS, KINDS, TASKS, marks
from tests.live.guests import Guest, Json, frames

pytestmark = pytest.mark.live
Explain = Callable[[Path, Path, Path], Json]


def first_event(explained: Explain, guest: Guest, scenario: str) -> Json:
    event: Json = explained(guest.log(scenario), guest.vmlinux, guest.modules)["events"][0]
    return event


def chain_of_crashme(event: Json) -> list[int]:
    """The lines of crashme.c that the frames of crashme come from, innermost first, inlined callers too."""
    of_module = [frame for frame in frames(event) if frame["module"] == "crashme" and frame["reliable"]]
    assert of_module, "no frame of crashme survived"
    assert all(frame["locations"] for frame in of_module), [frame["note"] for frame in of_module]
    return [
        place["line"]
        for frame in of_module
        for place in frame["locations"]
        if PurePosixPath(place["file"] or "").name == "crashme.c"
    ]


@pytest.mark.parametrize("scenario", CHAINS)
def test_innermost_frame_of_the_module_is_the_marked_line(
    scenario: str, guest: Guest, explained: Explain
) -> None:
    lines = marks()
    wanted = [lines[mark] for mark in CHAINS[scenario]]
    assert chain_of_crashme(first_event(explained, guest, scenario))[: len(wanted)] == wanted


def test_inlined_callers_are_named_innermost_first(guest: Guest, explained: Explain) -> None:
    event = first_event(explained, guest, "null")
    faulting = next(frame for frame in frames(event) if frame["module"] == "crashme")
    names = [(place["function"], place["inlined"]) for place in faulting["locations"]]
    assert names == [("widget_value", True), ("widget_chain", True), ("poke_null", False)]


@pytest.mark.parametrize("scenario", KINDS)
def test_first_event_is_what_was_provoked(scenario: str, guest: Guest, explained: Explain) -> None:
    event = first_event(explained, guest, scenario)
    assert event["kind"] == KINDS[scenario]
    if scenario != "sysrqt":  # a dump of all tasks has no task of its own
        assert event["task"]["comm"] in TASKS[scenario]


@pytest.mark.parametrize("scenario", KINDS)
def test_right_files_are_accepted(scenario: str, guest: Guest, explained: Explain) -> None:
    report = explained(guest.log(scenario), guest.vmlinux, guest.modules)
    assert report["kernel"]["release"] == guest.release
    assert [check for check in report["checks"] if check["outcome"] == "mismatch"] == []


def test_task_dump_shows_the_reader_that_waits(guest: Guest, explained: Explain) -> None:
    events = explained(guest.log("sysrqt"), guest.vmlinux, guest.modules)["events"]
    waiting = [
        {frame["function"] for stack in event["stacks"] for frame in stack["frames"]} for event in events
    ]
    assert any("n_tty_read" in functions for functions in waiting)
