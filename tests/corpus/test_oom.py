# SPDX-License-Identifier: GPL-2.0-or-later
"""Real OOM kills whose cause is known from the threads in which they were reported."""

from __future__ import annotations

import pytest

from bench.corpus_score import corpora_folder
from keepsane.api import explain

FOLDER = corpora_folder()
pytestmark = pytest.mark.skipif(FOLDER is None, reason="no corpora folder (KEEPSANE_CORPORA)")


@pytest.mark.parametrize(
    ("name", "rule", "words"),
    [
        # The limit of a container: usage 31211520kB, limit 31211520kB.
        ("13", "oom-cgroup-limit", "its memory limit of 29.8 GB"),
        # free:1482936kB - reserved_highatomic:1073152KB = 409784 kB, below min:410416kB, and no (H) is free.
        ("23", "oom-wrong-kind", "a reserve that is not there"),
        # The cpuset's only node has nothing but zone Movable, free:130021408kB.
        ("27", "oom-nodes-limited", "the 124.0 GB free in Node 4 Movable"),
        # Swap is full, and mysqld's row has 5157063 + 15483 + 1527848 pages: 25.6 GB.
        ("11", "oom-where-it-went", "mysqld: up to 25.6 GB"),
    ],
)
def test_the_cause_is_the_known_one(name: str, rule: str, words: str) -> None:
    assert FOLDER is not None
    path = FOLDER / "alloc" / f"{name}.txt"
    if not path.exists():
        pytest.skip(f"no {path}")
    findings = explain(path.read_text(errors="replace"), cache=False).findings
    assert [one.rule for one in findings if words in one.title] == [rule]


@pytest.mark.parametrize("name", ["09", "15", "25"])
def test_nothing_is_claimed_where_the_report_does_not_tell(name: str) -> None:
    assert FOLDER is not None
    path = FOLDER / "alloc" / f"{name}.txt"
    if not path.exists():
        pytest.skip(f"no {path}")
    findings = explain(path.read_text(errors="replace"), cache=False).findings
    # That memory was free again by then is no cause.
    assert {one.rule for one in findings if one.rule.startswith("oom-")} <= {"oom-memory-free-again"}
