# SPDX-License-Identifier: GPL-2.0-or-later
"""A log that is still written: what a pause gives, and that nothing is said twice."""

import gzip
from contextlib import closing
from pathlib import Path

import pytest

from keepsane.api import Live, explain
from keepsane.report import Fragment

EXAMPLES = Path(__file__).parents[1] / "examples"
LINES = gzip.decompress((EXAMPLES / "null-deref" / "console.log.gz").read_bytes()).decode().splitlines()
HEAD = next(number for number, line in enumerate(LINES) if "BUG: kernel NULL pointer" in line)
END = next(number for number, line in enumerate(LINES) if "end trace" in line)


def titles_after(live: Live, lines: list[str]) -> list[str]:
    return [fragment.event.title for line in lines for fragment in live.read(line)]


def test_a_report_that_falls_silent_is_given_at_the_pause_and_only_then() -> None:
    """A hang right behind the trace: no line comes that would end the report."""
    with closing(Live()) as live:
        assert titles_after(live, LINES[: END + 1]) == []
        (said,) = live.pause()
        assert said.event.title == explain("\n".join(LINES[: END + 1])).events[0].title
        assert list(live.pause()) == []
        assert list(live.finish()) == []


def test_a_pause_in_the_middle_is_followed_by_the_whole() -> None:
    with closing(Live()) as live:
        titles_after(live, LINES[: HEAD + 4])
        (part,) = live.pause()
        assert "the log ends inside this report" in part.event.damage
        (whole,) = (fragment for line in LINES[HEAD + 4 :] for fragment in live.read(line))
        assert whole.event == explain("\n".join(LINES)).events[0]


@pytest.mark.parametrize("pauses", [0, 1, 5])
def test_pauses_change_nothing_of_what_follows(pauses: int) -> None:
    whole = explain("\n".join(LINES))
    with closing(Live()) as live:
        said: list[Fragment] = []
        for number, line in enumerate(LINES):
            said += live.read(line)
            if pauses and number % pauses == 0 and not HEAD <= number <= END:
                said += live.pause()
        said += live.finish()
        report = live.report()
    assert [fragment.event.stacks for fragment in said] == [event.stacks for event in whole.events]
    assert (report.skipped_lines, report.kernel) == (whole.skipped_lines, whole.kernel)
