# SPDX-License-Identifier: GPL-2.0-or-later
""" "Nothing found" never stands alone where nothing could be found."""

from __future__ import annotations

import pytest

from keepsane.api import explain, explain_stream
from keepsane.kernel.log.recognised import MAX_LOOKED_AT
from keepsane.render.text.report import render_text
from keepsane.report import Report

PROGRAM = "Nov  2 22:17:00 web-3 nginx[812]: GET /index.html 200"
QUIET = "[    1.000000] usb 1-1: new high-speed USB device number 4 using xhci_hcd"


@pytest.mark.parametrize(
    ("lines", "notes"),
    [
        ([], ("the log is empty",)),
        (["hello"], ("none of 1 line looks like a kernel log",)),
        ([PROGRAM] * 70 + [QUIET], ("1 of 71 lines looks like a kernel log",)),
        (
            [PROGRAM] * (MAX_LOOKED_AT + 9),
            (f"none of the first {MAX_LOOKED_AT} lines looks like a kernel log",),
        ),
        ([QUIET, PROGRAM, QUIET], ()),
        (
            [QUIET, "[    2.000000] Call Trace: none"],
            ("these look like a report, and none could be read: line 2",),
        ),
    ],
)
def test_what_is_said_of_a_log_without_a_report(lines: list[str], notes: tuple[str, ...]) -> None:
    report = explain(lines)
    (*_, last) = explain_stream(lines)

    assert (report.events, report.notes) == ((), notes)
    assert isinstance(last, Report)
    assert last.notes == notes
    assert all(note in render_text(report) for note in notes)


def test_a_log_with_a_report_needs_none() -> None:
    report = explain([PROGRAM, PROGRAM, "[    2.000000] Kernel panic - not syncing: made up"])

    assert report.events and report.notes == ()
