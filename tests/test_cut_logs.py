# SPDX-License-Identifier: GPL-2.0-or-later
"""A real log cut anywhere: no exception, nothing lost from the reports before the cut."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from keepsane.kernel.log.scan import Scanner
from keepsane.model import Event

EXAMPLES = Path(__file__).parent.parent / "examples"
LOG = gzip.decompress((EXAMPLES / "null-deref" / "console.log.gz").read_bytes()).decode()
STEP_BYTES = 50


def events(text: str) -> list[Event]:
    return list(Scanner().events(text.splitlines()))


WHOLE = events(LOG)


@pytest.mark.parametrize("start", range(0, STEP_BYTES * 10, STEP_BYTES))
def test_cut_at_every_fiftieth_byte(start: int) -> None:
    """Every event begins where one of the whole log's begins, and all but the last are those."""
    for end in range(start, len(LOG), STEP_BYTES * 10):
        found = events(LOG[:end])
        assert [event.line for event in found] == [event.line for event in WHOLE][: len(found)]
        assert found[:-1] == WHOLE[: max(0, len(found) - 1)]


def test_a_cut_report_says_what_is_missing() -> None:
    """Cut inside the trace: the title is still there, and so is the sentence that the end is missing."""
    found = events(LOG[: LOG.index("proc_reg_write")])

    assert found[0].kind == "null-deref"
    assert "its end is missing" in found[0].damage


def test_the_whole_report_is_not_damaged() -> None:
    assert [event.damage for event in WHOLE] == ["", ""]
