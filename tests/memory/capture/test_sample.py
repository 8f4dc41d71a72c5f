# SPDX-License-Identifier: GPL-2.0-or-later
"""Sampling a live machine, by clocks that only move when they are told to."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from keepsane.memory.capture.sample import MAX_FILE_BYTES, Clocks, read_sample, read_samples
from keepsane.memory.snapshot import Missing, Snapshot
from keepsane.memory.state import state_of

MACHINE = {
    "proc/uptime": "100.00 1.00\n",
    "proc/vmstat": "pgfault 1\n",
    "proc/meminfo": "MemTotal:  5 kB\n",
    "proc/zoneinfo": "",
    "proc/slabinfo": "slabinfo - version: 2.1\n",
    "proc/version": "Linux version 6.1.0 (x)\n",
    "proc/mounts": "/dev/secret /home/me ext4 rw 0 0\nlxcfs /proc/meminfo fuse.lxcfs rw 0 0\n",
    "proc/sys/vm/zone_reclaim_mode": "0\n",
    "proc/sys/vm/stat_refresh": "do not touch\n",
    "proc/self/cgroup": "0::/a.slice/b.service\n",
    "sys/devices/system/node/node0/vmstat": "pgfault 1\n",
    "sys/devices/system/node/node0/meminfo": "Node 0 MemTotal: 5 kB\n",
    "sys/fs/cgroup/cgroup.controllers": "memory\n",
    "sys/fs/cgroup/a.slice/b.service/memory.current": "7\n",
    "sys/fs/cgroup/a.slice/b.service/memory.stat": "anon 7\n",
    "etc/sysctl.d/10-db.conf": "vm.zone_reclaim_mode=0\n",
}


class Time:
    """Hours that pass by sleeping; a read costs what `costs` says for it, in seconds."""

    def __init__(self, costs: list[float] | None = None) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.costs = iter(costs or [])
        self.spent = 0.0
        self.reading = False

    def clocks(self) -> Clocks:
        return Clocks(
            monotonic=lambda: self.now, sleep=self.sleep, cost=self.cost, now=lambda: 1000.0 + self.now
        )

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def cost(self) -> float:
        if self.reading:
            self.spent += next(self.costs, 0.0)
        self.reading = not self.reading
        return self.spent


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in MACHINE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def samples(root: Path, seconds: int, time: Time | None = None) -> list[Snapshot]:
    return list(read_samples(root=root, seconds=seconds, clocks=(time or Time()).clocks()))


def test_one_sample_a_second_and_one_more_at_the_end(root: Path) -> None:
    time = Time()

    assert len(samples(root, 30, time)) == 31
    assert time.slept == [1.0] * 30


def test_what_costs_is_read_every_ten_seconds_or_first_and_last(root: Path) -> None:
    found = samples(root, 25)

    def when(path: str) -> list[int]:
        return [number for number, snapshot in enumerate(found) if path in snapshot.files]

    assert when("proc/vmstat") == list(range(26))
    assert when("sys/devices/system/node/node0/vmstat") == list(range(26))
    assert when("sys/fs/cgroup/a.slice/b.service/memory.current") == list(range(26))
    assert when("proc/zoneinfo") == [0, 10, 20, 25]
    assert when("sys/devices/system/node/node0/meminfo") == [0, 10, 20, 25]
    assert when("proc/slabinfo") == [0, 25]
    assert when("sys/fs/cgroup/a.slice/b.service/memory.stat") == [0, 25]
    assert when("proc/sys/vm/zone_reclaim_mode") == [0, 25]
    assert when("etc/sysctl.d/10-db.conf") == [0]


def test_what_makes_every_cpu_work_when_it_is_read_is_never_read(root: Path) -> None:
    assert all("proc/sys/vm/stat_refresh" not in snapshot.files for snapshot in samples(root, 2))


def test_what_is_absent_is_said_first_and_last_and_not_asked_for_between(root: Path) -> None:
    absent = Missing(path="proc/pressure/memory", reason="absent")

    assert [absent in snapshot.missing for snapshot in samples(root, 3)] == [True, False, False, True]


def test_a_file_that_changes_is_read_anew(root: Path) -> None:
    said = []
    for number, snapshot in enumerate(read_samples(root=root, seconds=2, clocks=Time().clocks())):
        said.append(snapshot.text("proc/vmstat"))
        (root / "proc/vmstat").write_text(f"pgfault {number + 2}\n")

    assert said == ["pgfault 1\n", "pgfault 2\n", "pgfault 3\n"]


def test_a_file_that_may_not_be_read_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.open

    def guarded(path: Path, flags: int) -> int:
        if path.name == "slabinfo":  # root may read every file, so its mode would prove nothing
            raise PermissionError(errno.EACCES, "Permission denied")
        return really(path, flags)

    monkeypatch.setattr(os, "open", guarded)

    assert Missing(path="proc/slabinfo", reason="not permitted") in read_sample(root=root).missing


def test_a_slow_file_comes_less_often_and_is_named(root: Path) -> None:
    # The first sample reads uptime, then vmstat: 6 ms for it.
    found = samples(root, 20, Time([0.0, 0.006]))

    assert Missing(path="proc/vmstat", reason="too slow", milliseconds=6.0) in found[0].missing
    assert [number for number, snapshot in enumerate(found) if "proc/vmstat" in snapshot.files] == [0, 10, 20]


def test_a_file_without_end_is_not_read_whole(root: Path) -> None:
    (root / "proc/vmstat").write_bytes(b"a" * (MAX_FILE_BYTES + 1))

    first = samples(root, 1)[0]

    assert "proc/vmstat" not in first.files
    assert Missing(path="proc/vmstat", reason="too large") in first.missing


def test_a_late_reader_leaves_samples_out_and_still_ends_in_time(root: Path) -> None:
    time = Time()
    ends = []
    for _ in read_samples(root=root, seconds=10, clocks=time.clocks()):
        ends.append(time.now)
        time.now += 4.5  # whoever takes the sample is busy

    assert ends == [0.0, 5.0, 10.0]


def test_it_stops_when_told_with_a_whole_last_sample(root: Path) -> None:
    asked = iter([False, False, True])
    found = list(read_samples(root=root, seconds=None, clocks=Time().clocks(), stopped=lambda: next(asked)))

    assert len(found) == 4
    assert "proc/slabinfo" in found[-1].files


def test_a_sample_has_everything_when_that_is_asked_for(root: Path) -> None:
    asked = iter((False, False, True, False, False, False))
    found = list(read_samples(root=root, seconds=5, clocks=Time().clocks(), whole=lambda: next(asked)))
    # slabinfo is read first and last, and where the third was to have everything; /proc/version once.
    assert [number for number, sample in enumerate(found) if "proc/slabinfo" in sample.files] == [0, 2, 5]
    assert [number for number, sample in enumerate(found) if "proc/version" in sample.files] == [0]


def test_no_descriptor_stays_open(root: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    samples(root, 3)

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_where_things_are_mounted_stays_untold(root: Path) -> None:
    assert read_sample(root=root).text("proc/mounts") == "lxcfs /proc/meminfo fuse.lxcfs rw 0 0\n"


def test_a_root_without_anything_is_all_missing(tmp_path: Path) -> None:
    snapshot = read_sample(root=tmp_path)

    assert set(snapshot.files) == {"time"}
    assert Missing(path="proc/vmstat", reason="absent") in snapshot.missing


@pytest.mark.skipif(not Path("/proc/vmstat").exists(), reason="this machine has no /proc/vmstat")
def test_this_machine_agrees_with_itself() -> None:
    state = state_of([read_sample()])
    assert state is not None
    sample = state.last
    assert sample.vmstat is not None and sample.zoneinfo is not None and sample.uptime_seconds is not None

    free = sum(zone.free_pages for zone in sample.zoneinfo)
    managed = sum(zone.managed_pages or 0 for zone in sample.zoneinfo)
    assert abs((sample.vmstat.get("nr_free_pages") or 0) - free) < max(65536, free // 4)
    totals = [node.meminfo.kibibytes.get("MemTotal") for node in sample.nodes if node.meminfo]
    if totals and managed and state.machine.page_kibibytes:
        # A node's MemTotal is the managed pages of its zones.
        assert sum(total or 0 for total in totals) == managed * state.machine.page_kibibytes
