# SPDX-License-Identifier: GPL-2.0-or-later
"""What keeps tasks on a full node: only what was looked at is ruled out."""

from __future__ import annotations

import pytest

from keepsane.judge import run
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import state_of
from keepsane.report import Finding

ZONES = "".join(
    f"Node {node}, zone   Normal\n  pages free     {free}\n        min      900\n        low      1000\n"
    "        high     1100\n        present  120000\n        managed  120000\n"
    for node, free in ((0, 1100), (1, 90000))
)


def judged(files: dict[str, str], counted: str = "") -> dict[str, Finding]:
    """Judge two samples with 12000 pages scanned in 10 s, 1200 per second; `counted` rises with them."""
    state = state_of(
        Snapshot(
            files={
                "proc/zoneinfo": ZONES,
                "proc/sys/vm/zone_reclaim_mode": "0\n",
                "proc/uptime": f"{at}.00 1.00\n",
                "proc/vmstat": f"pgscan_direct 0\npgscan_kswapd {scanned}\n"
                + (f"{counted} {scanned}\n" if counted else ""),
                **files,
            }
        )
        for at, scanned in ((100, 0), (110, 12000))
    )
    assert state is not None
    return {one.rule: one for one in run((state,)) if isinstance(one, Finding)}


# mm/vmscan.c, demote_folio_list(): kswapd makes room on fast memory although slow memory is free.
@pytest.mark.parametrize("counter", ["pgdemote_kswapd", "pgdemote_direct"])
def test_pages_that_go_to_slower_memory_are_not_bound(counter: str) -> None:
    assert "node-imbalance" in judged({})
    assert "node-imbalance" not in judged({}, counter)


@pytest.mark.parametrize(
    ("group", "says_cpuset"), [({}, True), ({"sys/fs/cgroup/a/cpuset.mems.effective": "0-1\n"}, False)]
)
def test_a_cpuset_is_ruled_out_only_where_one_was_read(group: dict[str, str], says_cpuset: bool) -> None:
    found = judged(group)["node-imbalance"]
    assert "a policy of its own (numactl, mbind)" in found.explanation
    assert ("or a cpuset" in found.explanation) is says_cpuset
