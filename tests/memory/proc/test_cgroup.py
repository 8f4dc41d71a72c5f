# SPDX-License-Identifier: GPL-2.0-or-later
"""Control groups, as mm/memcontrol.c prints their files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.memory.proc.cgroup import cgroups_of, parse_limit, parse_own_cgroup
from keepsane.memory.snapshot import Snapshot

TOP = "sys/fs/cgroup"
FILES = {
    f"{TOP}/memory.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n",
    f"{TOP}/db.slice/memory.current": "4831838208\n",
    f"{TOP}/db.slice/memory.max": "5368709120\n",
    f"{TOP}/db.slice/memory.high": "max\n",
    f"{TOP}/db.slice/memory.events": "low 0\nhigh 12\nmax 3\noom 1\noom_kill 1\n",
    f"{TOP}/db.slice/cpuset.mems.effective": "1\n",
}


def test_a_group_with_a_limit() -> None:
    top, group = cgroups_of(Snapshot(files=FILES))

    assert (top.path, group.path) == ("/", "/db.slice")
    assert group.memory_max_bytes == 5368709120
    assert group.memory_high_bytes == "max"
    assert group.events is not None and group.events.get("oom_kill") == 1
    assert group.mems == (1,)


def test_the_root_has_no_limit_which_is_not_the_word_max() -> None:
    top = cgroups_of(Snapshot(files=FILES))[0]

    assert top.memory_max_bytes is None
    assert top.pressure is not None and top.pressure.get("some") == 7


def test_version_one_is_no_group_of_version_two() -> None:
    files = {f"{TOP}/memory/memory.stat": "cache 5\n", f"{TOP}/memory/memory.limit_in_bytes": "5\n"}

    assert cgroups_of(Snapshot(files=files)) == ()


def test_beside_version_one_it_is_found_where_systemd_puts_it() -> None:
    files = {f"{TOP}/unified/a.service/memory.current": "5\n", f"{TOP}/memory/memory.stat": "cache 5\n"}

    assert [group.path for group in cgroups_of(Snapshot(files=files))] == ["/a.service"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("0::/system.slice/postgresql.service\n", "/system.slice/postgresql.service"),
        ("4:memory:/x\n0::/y\n", "/y"),
        ("4:memory:/x\n", None),
    ],
)
def test_the_group_of_a_process(text: str, path: str | None) -> None:
    assert parse_own_cgroup(text) == path


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    parse_limit(text)
    parse_own_cgroup(text)
    cgroups_of(Snapshot(files={f"{TOP}/a/{name}": text for name in ("memory.current", "memory.events")}))
