# SPDX-License-Identifier: GPL-2.0-or-later
"""What a busy machine does all day is no warning: little of it, or nobody who waits."""

from __future__ import annotations

import re

import pytest

from keepsane.judge import run
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import MemoryState, state_of
from keepsane.report import Finding
from tests.memory_case import CASES, read_memory_case

PRESSURE = "proc/pressure/memory"


def findings(
    slug: str, path: str = "", old: str = "", new: str = "", pressure_ms: int | None = None
) -> dict[str, Finding]:
    """Judge a case whose last sample has `new` for `old`, with so much pressure if any, by rule."""
    samples = [dict(files) for files in read_memory_case(CASES / f"{slug}.capture").samples]
    if path:
        samples[-1][path], changes = re.subn(old, new, samples[-1][path])
        assert changes
    for at, files in enumerate(samples if pressure_ms is not None else ()):
        total = at * (pressure_ms or 0) * 1000
        files[PRESSURE] = f"some avg10=0.00 avg60=0.00 avg300=0.00 total={total}\n"
    state = state_of([Snapshot(files=files) for files in samples])
    assert isinstance(state, MemoryState)
    return {one.rule: one for one in run((state,)) if isinstance(one, Finding)}


# The case has 6 stalls in 10 s, 0.6 per second, and no pressure file: a reader of large files does that.
@pytest.mark.parametrize(
    ("stalls", "pressure_ms", "severity"),
    [(13, None, "info"), (17, None, "warning"), (17, 100, "info"), (13, 500, "warning")],
)
def test_a_stall_now_and_then_is_no_warning(stalls: int, pressure_ms: int | None, severity: str) -> None:
    said = ("proc/vmstat", "allocstall_normal 13", f"allocstall_normal {stalls}")
    assert findings("kswapd-overtaken", *said, pressure_ms)["kswapd-too-late"].severity == severity


def test_a_handful_of_stalls_is_not_sustained_however_short_the_interval() -> None:
    assert "global-direct-reclaim" in findings("direct-reclaim")
    first, last = (dict(files) for files in read_memory_case(CASES / "direct-reclaim.capture").samples)
    stalls = re.search(r"(?m)^allocstall_normal (\d+)$", first["proc/vmstat"])
    assert stalls is not None
    last["proc/vmstat"] = re.sub(
        r"allocstall_normal \d+", f"allocstall_normal {int(stalls[1]) + 4}", last["proc/vmstat"]
    )
    first["proc/uptime"], last["proc/uptime"] = "100.00 1.00\n", "100.30 1.00\n"
    state = state_of([Snapshot(files=first), Snapshot(files=last)])
    assert state is not None
    assert "global-direct-reclaim" not in {one.rule for one in run((state,)) if isinstance(one, Finding)}


# Anonymous huge pages are split by reclaim on their way to swap only (mm/vmscan.c, shrink_folio_list()).
def test_huge_pages_that_are_split_while_page_cache_is_dropped_are_no_sign_of_want() -> None:
    quiet = findings("thp-split-storm")["thp-split-storm"]
    assert (quiet.severity, quiet.title) == ("info", "huge pages are split")
    # 1 of 12 s: 8 % of the time.
    waiting = findings("thp-split-storm", pressure_ms=1000)["thp-split-storm"]
    assert (waiting.severity, waiting.title) == ("note", "huge pages are split for want of memory")


# mm/page_alloc.c, __alloc_pages_direct_compact() is inside psi_memstall_enter().
@pytest.mark.parametrize(("pressure_ms", "severities"), [(10, {"info"}), (2000, {"note", "warning"})])
def test_a_wait_for_huge_pages_that_pressure_does_not_show_is_no_warning(
    pressure_ms: int, severities: set[str]
) -> None:
    assert (
        findings("thp-direct-compact", pressure_ms=pressure_ms)["thp-direct-compact"].severity in severities
    )
