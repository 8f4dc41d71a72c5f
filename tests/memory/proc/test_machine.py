# SPDX-License-Identifier: GPL-2.0-or-later
"""What a snapshot says about the machine itself."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.memory.proc.machine import machine_of, option, process_of, release_of, uptime_of
from keepsane.memory.snapshot import Snapshot


def test_uptime_to_the_hundredth() -> None:
    assert uptime_of(Snapshot(files={"proc/uptime": "187245.32 360021.44\n"})) == 187245.32


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        (" 10:53:05 up 10 days,  2:45,  3 users,  load average: 0.00, 0.01", 10 * 86400 + 2 * 3600 + 45 * 60),
        (" 10:53:05 up 1 day, 12 min,  1 user,  load average: 0.00, 0.01", 86400 + 12 * 60),
        (" 10:53:05 up 5 min,  1 user,  load average: 0.00, 0.01", 300),
        (" 10:53:05 up  3:07,  1 user,  load average: 0.00, 0.01", 3 * 3600 + 7 * 60),
        (" no time at all", None),
    ],
)
def test_uptime_of_a_sosreport_to_the_minute(line: str, seconds: int | None) -> None:
    assert uptime_of(Snapshot(files={"sos_commands/host/uptime": line + "\n"})) == seconds


@pytest.mark.parametrize(
    "files",
    [
        {"proc/sys/kernel/osrelease": "6.1.0-56-cloud-amd64\n"},
        {"proc/version": "Linux version 6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org) (gcc\n"},
        {"sos_commands/kernel/uname_-a": "Linux db1 6.1.0-56-cloud-amd64 #1 SMP x86_64 GNU/Linux\n"},
    ],
)
def test_the_release_from_what_there_is(files: dict[str, str]) -> None:
    assert release_of(Snapshot(files=files)) == "6.1.0-56-cloud-amd64"


def test_the_last_option_on_the_command_line_counts() -> None:
    machine = machine_of(Snapshot(files={"proc/cmdline": "quiet psi=1 psi=0 nosmt\n"}))

    assert option(machine, "psi") == "0"
    assert option(machine, "nosmt") == ""
    assert option(machine, "numa_balancing") is None


@pytest.mark.parametrize(("pages", "size"), [(9214, 4), (576, 64), (2303, 16), (40, None), (0, None)])
def test_the_page_size_follows_from_what_is_said_in_both_units(pages: int, size: int | None) -> None:
    files = {
        "proc/meminfo": "SUnreclaim:        36856 kB\n",
        "proc/vmstat": f"nr_slab_unreclaimable {pages}\n",
    }
    # 36856 / 4 = 9214, / 64 = 575.9, / 16 = 2303.5; 921 KiB is no page
    assert machine_of(Snapshot(files=files)).page_kibibytes == size


@pytest.mark.skipif(not Path("/proc/vmstat").exists(), reason="this machine has no /proc")
def test_this_machine() -> None:
    names = ("proc/meminfo", "proc/vmstat", "proc/version", "sys/devices/system/cpu/online")
    files = {name: Path("/", name).read_text() for name in names if Path("/", name).exists()}
    machine = machine_of(Snapshot(files=files))

    assert machine.release == platform.release()
    assert machine.page_kibibytes == os.sysconf("SC_PAGE_SIZE") // 1024
    assert machine.cpus == os.sysconf("SC_NPROCESSORS_ONLN")


def test_the_nodes_a_process_may_use() -> None:
    status = "Name:\tpostgres\nMems_allowed:\t2\nMems_allowed_list:\t1\n"
    files = {"proc/42/status": status, "proc/42/cgroup": "0::/db.slice\n", "proc/1/cgroup": "0::/\n"}
    process = process_of(Snapshot(files=files))

    assert process is not None
    assert (process.pid, process.comm, process.mems, process.cgroup) == (42, "postgres", (1,), "/db.slice")
    assert process_of(Snapshot(files={"proc/1/cgroup": "0::/\n"})) is None


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    names = ("uptime", "version", "cmdline", "cpuinfo", "meminfo", "vmstat", "1/status")
    snapshot = Snapshot(files={f"proc/{name}": text for name in names} | {"sos_commands/host/uptime": text})
    machine_of(snapshot)
    uptime_of(snapshot)
    process_of(snapshot)
