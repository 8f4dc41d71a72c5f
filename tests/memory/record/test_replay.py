# SPDX-License-Identifier: GPL-2.0-or-later
"""What is judged of a record is what is judged of the machine."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from keepsane.judge import run
from keepsane.memory.record.record import open_record
from keepsane.memory.record.replay import read_record
from keepsane.memory.snapshot import TIME, Snapshot
from keepsane.memory.state import MemoryState, state_of
from tests.memory_case import MemoryCase, memory_cases

BEGAN = 1_700_000_000


def answers(state: MemoryState | None) -> list[tuple[str, str]]:
    return [(type(answer).__name__, getattr(answer, "rule", "")) for answer in run((state,))]


@pytest.mark.parametrize("case", memory_cases(), ids=lambda case: case.slug)
def test_every_case_of_the_rules_is_judged_alike_after_it_was_recorded(
    case: MemoryCase, tmp_path: Path
) -> None:
    timed = [
        Snapshot(files={**files, TIME: f"{BEGAN + number * 10}.00\n"})
        for number, files in enumerate(case.samples)
    ]
    with closing(open_record(tmp_path / "r")) as recorder:
        for snapshot in timed:
            recorder.add(snapshot)
    read = read_record(tmp_path / "r", around=BEGAN, seconds=600)
    assert [each.files.get("proc/vmstat") for each in read] == [
        each.files.get("proc/vmstat") for each in timed
    ]
    assert answers(state_of(read)) == answers(state_of(timed)) != []
