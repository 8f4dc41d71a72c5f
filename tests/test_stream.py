# SPDX-License-Identifier: GPL-2.0-or-later
"""What a stream says at its end about the whole log is what is said of the log at once."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest

from keepsane.api import explain, explain_stream
from keepsane.judge import load
from keepsane.model import LogSummary
from keepsane.report import Finding, Fragment, Report
from tests.golden import CASES, read_case

KILLED = """\
[{at}] worker invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
[{at}] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/small,\
task_memcg=/small,task=worker,pid={pid},uid=0
[{at}] Memory cgroup out of memory: Killed process {pid} (worker) total-vm:22788kB, anon-rss:18288kB, \
file-rss:512kB, shmem-rss:0kB, UID:0 pgtables:84kB oom_score_adj:0
"""
THREE = "".join(KILLED.format(at=f"{pid}.000000", pid=pid) for pid in (201, 214, 230))
REPEATED = {"page-state-in-two-reports"}
"""Equal reports are one at once, and in a stream each is given."""
PATHS = [path for path in sorted(CASES.glob("*/*.case")) if path.stem not in REPEATED]


def at_the_end(log: str) -> tuple[Finding, ...]:
    *_, last = explain_stream(log.split("\n"), cache=False)
    assert isinstance(last, Report)
    return last.findings


def test_a_stream_of_three_kills_quotes_each() -> None:
    (found,) = at_the_end(THREE)
    assert found.rule == "oom-kills-repeat"
    assert [one.line for one in found.evidence] == [3, 6, 9]
    assert all("Killed process" in one.quote for one in found.evidence)


@pytest.mark.parametrize("path", PATHS, ids=[f"{path.parent.name}/{path.stem}" for path in PATHS])
def test_a_case_as_a_stream(path: Path) -> None:
    log = read_case(path).log
    whole = {rule.name for rule in load().values() if rule.on is LogSummary}
    found = explain(log, cache=False).findings
    assert at_the_end(log) == tuple(one for one in found if one.rule in whole)


def test_a_report_whose_task_falls_silent_is_not_kept_back() -> None:
    """Lines of other tasks never end it; of 100,000 such lines it does not wait for the last."""
    log = [
        "[   20.100000][  T102] INFO: task widgetd:102 blocked for more than 241 seconds.",
        "[   20.100131][  T102] Call Trace:",
        "[   20.100262][  T102]  widget_wait+0x4e0/0xbf0",
    ]
    after = (f"[   21.{number:06}][  T103] widget {number} moved" for number in range(100_000))
    first = next(iter(explain_stream(chain(log, after), cache=False)))

    assert isinstance(first, Fragment)
    assert first.event.title == "task widgetd hung in widget_wait"
    assert len([*after]) > 90_000
