# SPDX-License-Identifier: GPL-2.0-or-later
"""What keeps tasks on a full node: only what was looked at is ruled out."""

from __future__ import annotations

import pytest

from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import state_of
from keepsane.model import Finding
from keepsane.rules import run

ZONES = "".join(
    f"Node {node}, zone   Normal\n  pages free     {free}\n        min      900\n        low      1000\n"
    "        high     1100\n        present  120000\n        managed  120000\n"
    for node, free in ((0, 1100), (1, 90000))
)


@pytest.mark.parametrize(
    ("group", "says_cpuset"), [({}, True), ({"sys/fs/cgroup/a/cpuset.mems.effective": "0-1\n"}, False)]
)
def test_a_cpuset_is_ruled_out_only_where_one_was_read(group: dict[str, str], says_cpuset: bool) -> None:
    fixed = {"proc/zoneinfo": ZONES, "proc/sys/vm/zone_reclaim_mode": "0\n", **group}
    # 12000 pages in 10 s are 1200 per second.
    moving = ((100, 0), (110, 12000))
    state = state_of(
        Snapshot(
            files={
                **fixed,
                "proc/uptime": f"{at}.00 1.00\n",
                "proc/vmstat": f"pgscan_direct 0\npgscan_kswapd {scanned}\n",
            }
        )
        for at, scanned in moving
    )
    assert state is not None
    found = next(one for one in run((state,)) if isinstance(one, Finding) and one.rule == "node-imbalance")
    assert "a policy of its own (numactl, mbind)" in found.explanation
    assert ("or a cpuset" in found.explanation) is says_cpuset
