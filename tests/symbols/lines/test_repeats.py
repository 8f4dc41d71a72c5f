# SPDX-License-Identifier: GPL-2.0-or-later
"""A stream decodes a trace that repeats once: what comes of it must be what each alone would have given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from keepsane.api import explain, explain_stream
from keepsane.report import Fragment, Report

FAILURE = """\
[   {0}.000000] init: page allocation failure: order:{1}, mode:0x820(GFP_ATOMIC), nodemask=(null),cpuset=/
[   {0}.000001] CPU: 0 PID: {0} Comm: init Not tainted 6.12.1 #1
[   {0}.000002] Call Trace:
[   {0}.000003]  warn_alloc+0x164/0x1e0
[   {0}.000004]  __alloc_pages_noprof+0x2ef/0x310
[   {0}.000005]  {2}+0x79/0x130 [crashme]
"""
LOG = "".join(
    FAILURE.format(*one)
    for one in ((10, 0, "exhaust"), (20, 0, "exhaust"), (30, 4, "exhaust"), (40, 0, "other"))
)


def test_each_event_of_a_stream_is_the_one_that_the_whole_log_gives() -> None:
    """explain() decodes all events together and remembers nothing between them: it is the second opinion."""
    whole = explain(LOG, cache=False)
    parts = [one for one in explain_stream(LOG.splitlines(), cache=False) if isinstance(one, Fragment)]

    assert len(parts) == 4
    assert [replace(one.event, again=()) for one in parts] == list(whole.events)
    assert [frame.line for one in parts for stack in one.event.stacks for frame in stack.frames] == [
        *(4, 5, 6, 10, 11, 12, 16, 17, 18, 22, 23, 24),
    ]


def test_the_end_of_a_stream_quotes_the_kills_of_its_reports() -> None:
    case = Path(__file__).parents[2] / "cases" / "rules" / "oom-three-times.case"
    *_, last = explain_stream(case.read_text(encoding="utf-8").split("\n"), cache=False)
    (found,) = (one for one in last.findings if one.rule == "oom-kills-repeat")
    assert len(found.evidence) == 3


def test_a_stream_without_repeats_ends_with_a_report() -> None:
    assert isinstance(list(explain_stream(LOG.splitlines(), cache=False))[-1], Report)
