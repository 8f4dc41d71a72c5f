# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers are said in one way, whoever says them."""

from __future__ import annotations

import pytest

from keepsane.api import diagnose, explain
from keepsane.kernel.events.oom_kill.kill import OomKill
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import state_of
from keepsane.words import size_words
from tests.golden import CASES, read_case


@pytest.mark.parametrize(
    ("kibibytes", "said"),
    [
        (0, "0 kB"),
        (-400, "-400 kB"),
        (10_239, "10239 kB"),
        (10_240, "10 MB"),
        (1_034_240, "1010 MB"),
        (10_485_759, "10240 MB"),
        (10_485_760, "10.0 GB"),
        (31_211_520, "29.8 GB"),
        (10 << 30, "10.0 TB"),
    ],
)
def test_a_unit_begins_at_ten_of_it_and_small_sizes_are_exact(kibibytes: int, said: str) -> None:
    assert size_words(kibibytes) == said


def test_a_size_is_the_same_words_as_a_fact_and_in_a_finding() -> None:
    sizes = {"MemTotal": 1_034_240, "MemFree": 20_000, "MemAvailable": 517_120, "SUnreclaim": 1_034_240}
    state = state_of(
        (Snapshot(files={"proc/meminfo": "".join(f"{name}: {size} kB\n" for name, size in sizes.items())}),)
    )
    assert state is not None
    report = diagnose(state)
    assert [fact.said for fact in report.facts if fact.name in ("memory", "available")] == [
        "1010 MB",
        "505 MB without swapping",
    ]
    (finding,) = (finding for finding in report.findings if finding.rule == "slab-growth")
    assert finding.title == "the kernel holds 1010 MB in slabs"
    assert finding.explanation.startswith("1010 MB are in slabs that cannot be given back, 100 % of memory.")


def test_a_title_names_a_container_by_the_short_id_and_the_facts_the_whole_group() -> None:
    log = read_case(CASES / "oom-kill" / "group-of-a-container.case").log
    report = explain(log, cache=False)

    (title,) = (found.title for found in report.findings if found.rule == "oom-cgroup-limit")
    assert title == "the control group cri-containerd-0f1e2d3c4b5a.scope used up its memory limit of 20 MB"
    (event,) = report.events
    assert isinstance(event, OomKill)
    assert f"oom_memcg={event.cgroup}," in log
