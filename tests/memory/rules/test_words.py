# SPDX-License-Identifier: GPL-2.0-or-later
"""How findings on memory say who was killed where, and in which kind of memory there is none left."""

from __future__ import annotations

import pytest

from keepsane.judge import run
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import MemoryState, state_of
from keepsane.report import Finding

GROUP = "sys/fs/cgroup/lab/memory.events"


def killed(machine: int, group: int, oom: int) -> str:
    """The title where so many were killed in ten seconds, by /proc/vmstat and by the group's own count."""

    def sample(uptime: int, machine: int, group: int, oom: int) -> Snapshot:
        events = f"low 0\nhigh 0\nmax {oom}\noom {oom}\noom_kill {group}\n"
        files = {"proc/uptime": f"{uptime}.00 1.00\n", "proc/vmstat": f"oom_kill {machine}\n", GROUP: events}
        return Snapshot(files=files)

    made = state_of((sample(100, 0, 0, 0), sample(110, machine, group, oom)))
    return next(one.title for one in findings(made) if one.rule == "oom-kill-now")


def findings(state: MemoryState | None) -> list[Finding]:
    assert state is not None
    return [one for one in run((state,)) if isinstance(one, Finding)]


@pytest.mark.parametrize(
    ("machine", "group", "oom", "title"),
    [
        (1, 1, 1, "the kernel killed 1 process at the limit of the control group /lab"),
        # The files of one sample are read one after the other: a kill may lie between them.
        (
            46,
            45,
            45,
            "the kernel killed 46 processes for want of memory, 45 of them in the control group /lab, "
            "which ran into its limit",
        ),
        # The group was not at its own limit: its process was killed for the machine's sake.
        (2, 1, 0, "the kernel killed 2 processes for want of memory"),
    ],
)
def test_who_was_killed_is_said_with_the_group_at_its_limit(
    machine: int, group: int, oom: int, title: str
) -> None:
    assert killed(machine, group, oom) == title


def test_where_memory_is_free_and_where_it_is_not_is_said_by_node() -> None:
    def node(number: int, free: int) -> str:
        marks = "min 1000\n low 2000\n high 3000\n present 100000\n managed 100000\n"
        return f"Node {number}, zone Normal\n pages free {free}\n {marks}"

    def sample(uptime: int, scanned: int) -> Snapshot:
        return Snapshot(
            files={
                "proc/uptime": f"{uptime}.00 1.00\n",
                "proc/zoneinfo": node(0, 2500) + node(1, 90_000),
                "proc/vmstat": f"pgscan_direct {scanned}\nallocstall 0\n",
                "proc/sys/vm/zone_reclaim_mode": "1\n",
            }
        )

    found = findings(state_of((sample(100, 0), sample(110, 50_000))))[0]
    # 90000 pages of 4 kB are 351.6 MiB, 2500 are 10000 kB, 3000 are 11.7 MiB.
    assert found.explanation.startswith(
        "352 MB are free on node 1, while node 0 is full: 10000 kB are free in its zone Normal, where "
        "the kernel keeps up to 12 MB back (high watermark). 5000 pages were scanned directly per second, "
        "without allocation stalls"
    )
