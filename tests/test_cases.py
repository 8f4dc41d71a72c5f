# SPDX-License-Identifier: GPL-2.0-or-later
"""
The golden cases, each compared with what keepsane says.

With KEEPSANE_REWRITE_CASES=1 in the environment the reports are written anew, for a human to read in the
diff; headers are always written by hand.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from keepsane.api import explain
from keepsane.model import Event
from tests.golden import CASES, REPORT, events_of, read_case, write_report

PATHS = sorted(CASES.glob("*/*.case"))


def written(event: Event) -> str:
    damage = f"  damaged: {event.damage}" if event.damage else ""
    return f"{event.kind}  {event.title}  line {event.line}{damage}"


@pytest.mark.parametrize("path", PATHS, ids=[f"{path.parent.name}/{path.stem}" for path in PATHS])
def test_case(path: Path) -> None:
    case = read_case(path)
    found = tuple(written(event) for event in events_of(case.log))
    if os.environ.get("KEEPSANE_REWRITE_CASES"):
        write_report(path, case, found)
    else:
        assert found == case.report
    if path.parent.name == "quiet":
        assert found == ()
    if case.rules is not None:
        judged = explain(case.log, cache=False, what_if=case.what_if).findings
        assert tuple(f"{finding.rule}@{finding.evidence[0].line}" for finding in judged) == case.rules


def test_every_case_ends_with_its_report() -> None:
    unfinished = [path.name for path in PATHS if REPORT not in path.read_text(errors="surrogateescape")]
    assert unfinished == []
