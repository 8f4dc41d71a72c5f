# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which scans are zone reclaim's, against mm/vmscan.c.

node_reclaim() counts zone_reclaim_success or zone_reclaim_failed at each run, do_try_to_free_pages() counts
allocstall; both scan into pgscan_direct.
"""

from __future__ import annotations

import re

import pytest

from keepsane.judge import CannotTell, Clear
from keepsane.memory.rules.zone_reclaim import zone_reclaim_biting
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import MemoryState, state_of
from tests.memory_case import CASES, read_memory_case


def judged(slug: str, **rises: int | None) -> object:
    """Judge a case whose counters rise by so much instead in its 12 s, or are not there (None)."""
    case = read_memory_case(CASES / f"{slug}.capture")
    snapshots = []
    for at, files in enumerate(case.samples):
        text = files["proc/vmstat"]
        for name, rise in rises.items():
            text = re.sub(rf"(?m)^{name} \d+\n", "" if rise is None else f"{name} {100 + at * rise}\n", text)
        snapshots.append(Snapshot(files={**files, "proc/vmstat": text}))
    state = state_of(snapshots)
    assert isinstance(state, MemoryState)
    try:
        return zone_reclaim_biting(state)
    except CannotTell as missing:
        return missing


def test_zone_reclaim_that_never_ran_is_not_the_cause_however_much_is_scanned() -> None:
    answer = judged(
        "zone-reclaim-or-global", zone_reclaim_success=0, zone_reclaim_failed=0, allocstall_normal=0
    )
    assert isinstance(answer, Clear)
    assert "it was not at work" in answer.why


# 60 stalls in 12 s are 5 per second, of 96000 pages. 2400 successes are 200 per second.
@pytest.mark.parametrize(
    ("success", "stalls", "answer"),
    [
        (2400, 60, "zone-reclaim-biting"),
        (30, 60, "that is reclaim of the whole machine"),
        (None, 3000, "that is reclaim of the whole machine"),
        (None, 60, "zone_reclaim_success, which tells whether it takes part, is not counted"),
    ],
)
def test_beside_global_reclaim_its_own_counter_decides(success: int | None, stalls: int, answer: str) -> None:
    found = judged("zone-reclaim-and-global", zone_reclaim_success=success, allocstall_normal=stalls)
    if answer == "zone-reclaim-biting":
        assert "zone reclaim freed pages 200 times per second" in getattr(found, "explanation", "")
    else:
        assert isinstance(found, (Clear, CannotTell))
        assert answer in found.why


def test_long_global_reclaim_on_a_machine_that_is_full_is_not_taken_for_it() -> None:
    case = "zone-reclaim-full-nodes"
    found = judged(case, zone_reclaim_success=None)
    assert isinstance(found, CannotTell)
    assert "no node has plenty" in found.why
