# SPDX-License-Identifier: GPL-2.0-or-later
"""What happened between two samples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.memory.snapshot import Missing, Snapshot
from keepsane.memory.state import MemoryState, state_of

BOOT = "proc/sys/kernel/random/boot_id"
NODE = "sys/devices/system/node/node0"
GROUP = "sys/fs/cgroup/db.slice"


def at(uptime: float, **files: str) -> Snapshot:
    named = {path.replace("__", "/"): text for path, text in files.items()}
    return Snapshot(files={"proc/uptime": f"{uptime:.2f} 1.00\n", **named})


def state(*snapshots: Snapshot) -> MemoryState:
    found = state_of(snapshots)
    assert found is not None
    return found


def test_a_rate_is_a_difference_over_the_uptimes() -> None:
    found = state(
        at(100.0, proc__vmstat="pgscan_direct_normal 1000\npgscan_direct_dma32 50\nallocstall 7\n"),
        at(110.0, proc__vmstat="pgscan_direct_normal 1500\npgscan_direct_dma32 60\nallocstall 7\n"),
    )

    assert found.interval_seconds == 10.0
    assert found.delta("pgscan_direct") == 510
    assert found.rate("pgscan_direct") == 51.0
    assert found.rate("allocstall") == 0.0
    assert found.rate("zone_reclaim_success") is None


def test_one_sample_has_no_rates_and_says_so() -> None:
    found = state(at(100.0, proc__vmstat="pgfault 7\n"))

    assert found.first is found.last
    assert (found.interval_seconds, found.rate("pgfault"), found.rates("pgfault")) == (None, None, ())
    assert found.notes == ("there is one sample only: what is happening cannot be told, only what is there",)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (at(500.0, proc__vmstat="pgfault 7\n"), at(100.0, proc__vmstat="pgfault 900\n")),
        (
            Snapshot(files={"proc/uptime": "100.00 1.00\n", "proc/vmstat": "pgfault 7\n", BOOT: "a\n"}),
            Snapshot(files={"proc/uptime": "500.00 1.00\n", "proc/vmstat": "pgfault 900\n", BOOT: "b\n"}),
        ),
    ],
)
def test_over_a_reboot_there_are_no_rates(first: Snapshot, last: Snapshot) -> None:
    found = state(first, last)

    assert (found.interval_seconds, found.delta("pgfault"), found.rate("pgfault")) == (None, None, None)
    assert found.notes[0] == "left out: 1 from before a restart, or of another machine or kernel"


def test_a_counter_that_went_backwards_has_no_rate() -> None:
    found = state(at(1.0, proc__vmstat="a 9\nb 1\n"), at(2.0, proc__vmstat="a 8\nb 2\n"))

    assert (found.rate("a"), found.rate("b")) == (None, 1.0)


def test_a_sample_without_uptime_gives_no_interval() -> None:
    found = state(Snapshot(files={"proc/vmstat": "a 1\n"}), at(2.0, proc__vmstat="a 2\n"))

    assert found.rate("a") is None
    assert found.notes == ("a sample has no uptime: how much time passed is not known",)


def test_a_burst_shows_between_the_samples() -> None:
    found = state(*(at(float(n), proc__vmstat=f"a {number}\n") for n, number in enumerate([0, 0, 500, 500])))

    assert [rate.per_second for rate in found.rates("a")] == [0.0, 500.0, 0.0]
    assert found.rate("a") == pytest.approx(500 / 3)


def test_the_newest_value_is_found_in_a_capture_that_broke_off() -> None:
    found = state(at(1.0, proc__meminfo="MemFree:  5 kB\n"), at(2.0), at(3.0))

    assert found.last.meminfo is None
    newest = found.newest(lambda sample: sample.meminfo)
    assert newest is not None and newest.kibibytes.get("MemFree") == 5


def test_a_setting_is_the_newest_that_was_read() -> None:
    found = state(
        at(1.0, proc__sys__vm__swappiness="60\n"), at(2.0, proc__sys__vm__swappiness="1\n"), at(3.0)
    )

    assert (found.sysctl("vm.swappiness"), found.sysctl_number("vm.swappiness")) == ("1", 1)
    assert found.sysctl_number("vm.zone_reclaim_mode") is None


def test_a_node_counts_in_its_vmstat_or_its_numastat() -> None:
    def node(uptime: float, scanned: int, hits: int) -> Snapshot:
        return Snapshot(
            files={
                "proc/uptime": f"{uptime:.2f} 1.00\n",
                f"{NODE}/vmstat": f"pgscan_direct {scanned}\n",
                f"{NODE}/numastat": f"numa_hit 1\nother_node {hits}\n",
            }
        )

    found = state(node(1.0, 10, 100), node(3.0, 50, 104))

    assert found.node_rate(0, "pgscan_direct") == 20.0
    assert found.node_rate(0, "other_node") == 2.0
    assert found.node_rate(1, "other_node") is None


def test_events_of_a_group() -> None:
    first, last = (
        Snapshot(files={"proc/uptime": f"{n}.00 1.00\n", f"{GROUP}/memory.events": f"max {n}\n"})
        for n in (1, 9)
    )

    assert state(first, last).cgroup_delta("/db.slice", "max") == 8
    assert state(first, last).cgroup_delta("/db.slice", "oom_kill") is None
    assert state(first, last).cgroup_delta("/other", "max") is None


def test_how_long_tasks_stood_still() -> None:
    some = "some avg10=0.00 avg60=0.00 avg300=0.00 total={}\n"
    first, last = (
        Snapshot(files={"proc/uptime": f"{n}.00 1.00\n", "proc/pressure/memory": some.format(n * 100_000)})
        for n in (10, 20)
    )

    # 1.0 s of 10 s
    assert state(first, last).stalled_percent("memory", "some") == pytest.approx(10.0)
    assert state(first, last).stalled_percent("memory", "full") is None
    assert state(first, last).stalled_percent("io", "some") is None


def test_of_two_kernels_the_later_is_judged() -> None:
    release = "proc/sys/kernel/osrelease"
    first, last = (Snapshot(files={"proc/uptime": f"{n}.00 1.00\n", release: f"6.{n}\n"}) for n in (1, 2))

    found = state(first, last)

    assert found.machine.release == "6.2" and found.samples[0].uptime_seconds == 2.0
    assert found.notes[0] == "left out: 1 from before a restart, or of another machine or kernel"
    assert found.interval_seconds is None


def test_a_file_that_was_slow_is_noted() -> None:
    slow = Missing(path="proc/zoneinfo", reason="too slow", milliseconds=7.5)
    last = Snapshot(files={"proc/uptime": "2.00 1.00\n"}, missing=(slow,))

    assert state(at(1.0), last).notes[0].endswith(": proc/zoneinfo")


def test_no_sample_is_no_state() -> None:
    assert state_of(()) is None


PATHS = (
    "proc/uptime",
    "proc/vmstat",
    "proc/zoneinfo",
    "proc/pressure/memory",
    f"{NODE}/vmstat",
    BOOT,
    "time",
)


@given(st.lists(st.dictionaries(st.sampled_from(PATHS), st.text()), max_size=3))
def test_any_files_make_a_state(samples: list[dict[str, str]]) -> None:
    found = state_of(Snapshot(files=files) for files in samples)
    if found is not None:
        found.rate("pgfault")
        found.rates("pgfault")
        found.stalled_percent("memory", "some")


def test_a_control_groups_stall_is_a_share_of_the_interval() -> None:
    # 250000 of 10 s, 10000000 microseconds, are 2.5 %.
    group = "sys/fs/cgroup/db/"
    line = "some avg10=0.00 avg60=0.00 avg300=0.00 total={}\n"
    first = {"proc/uptime": "100.00 1.00\n", group + "memory.pressure": line.format(1000)}
    last = {"proc/uptime": "110.00 1.00\n", group + "memory.pressure": line.format(251_000)}
    state = state_of((Snapshot(files=first), Snapshot(files=last)))
    assert state is not None
    assert state.cgroup_stalled_percent("/db") == 2.5
    assert state.cgroup_stalled_percent("/web") is None
