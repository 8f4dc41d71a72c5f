# SPDX-License-Identifier: GPL-2.0-or-later
"""Advice to change a setting: never lower than it is, kept and undone, with the place that sets it."""

from __future__ import annotations

import pytest

from keepsane.judge import load, run
from keepsane.memory.rules.setting import change, start_kswapd_earlier
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import MemoryState, state_of
from keepsane.report import Advice, Finding
from tests.memory_case import memory_cases

load()


def state(**files: str) -> MemoryState:
    named = {name.replace("__", "/").replace("DOT", "."): text for name, text in files.items()}
    made = state_of((Snapshot(files=named), Snapshot(files=named)))
    assert made is not None
    return made


def advice_of(slug: str, rule: str) -> Advice:
    case = next(case for case in memory_cases() if case.slug == slug)
    made = case.state()
    assert made is not None
    return next(one for one in run((made,)) if isinstance(one, Finding) and one.rule == rule).advice[0]


# vm.rst: watermark_scale_factor is in 10,000ths of memory, 10 by default and 1000 at the most until 5.18.
@pytest.mark.parametrize(("now", "wanted"), [(1, 100), (10, 100), (40, 200), (90, 450), (400, 500)])
def test_the_scale_factor_rises_with_the_present_one(now: int, wanted: int) -> None:
    advice = start_kswapd_earlier(
        state(proc__sys__vm__watermark_scale_factor=f"{now}\n"), text="x", verify="y"
    )
    assert advice is not None
    assert advice.command == f"sysctl -w vm.watermark_scale_factor={wanted}"
    assert advice.undo == f"sysctl -w vm.watermark_scale_factor={now}"


# 64 MiB of 16 GiB are 39 of 10,000 parts, less than a hundredth; of 2 GiB 312.5; of 256 MiB a quarter.
@pytest.mark.parametrize(
    ("total_kibibytes", "wanted"), [(16_777_216, 100), (2_097_152, 313), (262_144, 500), (0, 100)]
)
def test_the_gap_holds_a_burst_on_a_small_machine_too(total_kibibytes: int, wanted: int) -> None:
    files = {
        "proc__sys__vm__watermark_scale_factor": "10\n",
        "proc__meminfo": f"MemTotal: {total_kibibytes} kB\n",
    }
    advice = start_kswapd_earlier(state(**files), text="x", verify="y")
    assert advice is not None
    assert advice.command == f"sysctl -w vm.watermark_scale_factor={wanted}"


@pytest.mark.parametrize("now", [500, 1000, 3000])
def test_a_large_scale_factor_is_left_alone(now: int) -> None:
    assert (
        start_kswapd_earlier(state(proc__sys__vm__watermark_scale_factor=f"{now}\n"), text="x", verify="y")
        is None
    )


def test_an_old_kernel_is_told_to_keep_twice_as_much_free_and_a_fiftieth_at_the_most() -> None:
    files = {"proc__sys__vm__min_free_kbytes": "67584\n", "proc__meminfo": "MemTotal:  16000000 kB\n"}
    advice = start_kswapd_earlier(state(**files), text="x", verify="y")
    assert advice is not None and advice.command == "sysctl -w vm.min_free_kbytes=135168"
    files["proc__meminfo"] = "MemTotal:  4000000 kB\n"
    advice = start_kswapd_earlier(state(**files), text="x", verify="y")
    assert advice is not None and advice.command == "sysctl -w vm.min_free_kbytes=80000"
    files["proc__meminfo"] = "MemTotal:  3000000 kB\n"
    assert start_kswapd_earlier(state(**files), text="x", verify="y") is None


def test_who_set_the_value_is_named_by_file_and_line() -> None:
    made = state(
        proc__sys__vm__zone_reclaim_mode="1\n",
        etc__sysctlDOTd__50_dbDOTconf="# ours\nvm.zone_reclaim_mode = 1\n",
    )
    advice = change(made, "vm.zone_reclaim_mode", 0, text="x", verify="y", risk="z")
    assert "sysctl.d sets it in /etc/sysctl.d/50_db.conf line 2" in advice.text
    assert "put `vm.zone_reclaim_mode = 0` into /etc/sysctl.d/90-memory.conf" in advice.text
    assert advice.undo == "sysctl -w vm.zone_reclaim_mode=1"


def test_dirty_limits_are_sized_by_the_disk_and_undone_by_the_ratios() -> None:
    # 51200 pages of 4 kB in 10 s are 20 MiB per second: one second is 20971520 bytes, four are 83886080.
    advice = advice_of("slow-disk", "dirty-writeback-stall")
    assert advice.command == "sysctl -w vm.dirty_background_bytes=20971520 vm.dirty_bytes=83886080"
    assert advice.undo == "sysctl -w vm.dirty_background_ratio=10 vm.dirty_ratio=20"
    assert advice.verify is not None and "below 20480" in advice.verify


def test_a_group_gets_twice_as_much_where_the_machine_has_it_and_the_way_back() -> None:
    # Twice 536870912 bytes are 1073741824; 4000000 kB are available, half of which is more than 524288 kB.
    advice = advice_of("group-at-its-limit", "memcg-limit-not-host")
    assert advice.command == "echo 1073741824 > /sys/fs/cgroup/system.slice/web.service/memory.max"
    assert advice.undo == "echo 536870912 > /sys/fs/cgroup/system.slice/web.service/memory.max"
    assert "systemctl set-property web.service MemoryMax=1073741824" in advice.text


def test_a_name_made_to_run_a_command_is_quoted() -> None:
    group = "sys/fs/cgroup/a;reboot $(x)/"
    files = {
        group + "memory.max": "536870912\n",
        "proc/meminfo": "MemTotal:  8000000 kB\nMemAvailable:  4000000 kB\n",
    }
    first = files | {"proc/uptime": "100.00 1.00\n", group + "memory.events": "max 1\noom_kill 0\n"}
    last = files | {"proc/uptime": "110.00 1.00\n", group + "memory.events": "max 9\noom_kill 1\n"}
    made = state_of((Snapshot(files=first), Snapshot(files=last)))
    assert made is not None
    found = [one for one in run((made,)) if isinstance(one, Finding)]
    assert [one.advice[0].command for one in found] == [
        "echo 1073741824 > '/sys/fs/cgroup/a;reboot $(x)/memory.max'"
    ]


def test_a_group_that_is_full_of_page_cache_gets_four_times_as_much() -> None:
    # Three times 64 MiB, 201326592 bytes, are less than half of the 3000000 kB that are available.
    group = "sys/fs/cgroup/lab/"
    files = {
        group + "memory.max": "67108864\n",
        group + "memory.stat": "anon 1048576\nfile 65798144\n",
        "proc/meminfo": "MemTotal:  8000000 kB\nMemAvailable:  3000000 kB\n",
    }
    first = files | {"proc/uptime": "100.00 1.00\n", group + "memory.events": "max 1\noom_kill 0\n"}
    last = files | {"proc/uptime": "110.00 1.00\n", group + "memory.events": "max 901\noom_kill 0\n"}
    made = state_of((Snapshot(files=first), Snapshot(files=last)))
    assert made is not None
    advice = next(one for one in run((made,)) if isinstance(one, Finding)).advice[0]
    assert advice.command == "echo 268435456 > /sys/fs/cgroup/lab/memory.max"
    assert advice.verify == "`max` in memory.events of the group rises by less than 90 per second"


def test_where_nobody_is_seen_to_set_the_value_that_is_said() -> None:
    made = state_of((Snapshot(files={"proc/sys/vm/zone_reclaim_mode": "1\n"}),))
    assert made is not None
    advice = change(made, "vm.zone_reclaim_mode", 0, text="x", verify="y", risk="z")
    assert "No sysctl file or TuneD profile that was read sets it" in advice.text
