# SPDX-License-Identifier: GPL-2.0-or-later
"""Which node is full, and who is bound to it; the numbers are small enough to check by eye."""

from __future__ import annotations

from keepsane.memory.rules.amount import available_percent, pages_words
from keepsane.memory.rules.binding import bound, in_need
from keepsane.memory.rules.zones import imbalance, largest_zones, latest_imbalance, nodes_with_memory
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import MemoryState, state_of

NODES = {
    "sys/devices/system/node/has_memory": "0-1\n",
    "sys/devices/system/node/node0/distance": "10 20\n",
    "sys/devices/system/node/node1/distance": "20 10\n",
}


def zone(node: int, name: str, free: int, managed: int) -> str:
    marks = "        min      80\n        low      90\n        high     100\n"
    sizes = f"        spanned  {managed}\n        present  {managed}\n        managed  {managed}\n"
    return f"Node {node}, zone {name:>8}\n  pages free     {free}\n{marks}{sizes}"


def state(*zoneinfo: str, **more: str) -> MemoryState:
    files = NODES | {name.replace("__", "/").replace("DOT", "."): text for name, text in more.items()}
    made = state_of(
        Snapshot(files=files | {"proc/uptime": f"{100 + at * 10}.00 1.00\n", "proc/zoneinfo": text})
        for at, text in enumerate(zoneinfo)
    )
    assert made is not None
    return made


def test_the_largest_zone_of_a_node_is_what_counts() -> None:
    # DMA has 3000 pages free that nobody may use; the node is full all the same.
    made = state(
        zone(0, "DMA", 3000, 3840) + zone(0, "Normal", 95, 100_000) + zone(1, "Normal", 9000, 100_000)
    )
    assert [(one.node, one.name) for one in largest_zones(made.last)] == [(0, "Normal"), (1, "Normal")]
    found = imbalance(made)
    assert found is not None and found.free is not None
    assert (found.full.node, found.free.node) == (0, 1)


def test_a_node_that_was_free_only_in_the_beginning_explains_nothing_of_the_end() -> None:
    begin = zone(0, "Normal", 95, 100_000) + zone(1, "Normal", 9000, 100_000)
    end = zone(0, "Normal", 95, 100_000) + zone(1, "Normal", 96, 100_000)
    found, latest = imbalance(state(begin, end)), latest_imbalance(state(begin, end))
    assert found is not None and found.free is not None
    assert latest is not None and latest.free is None


def test_full_and_free_are_never_of_two_moments() -> None:
    # Node 0 is full first and node 1 free later: at no time both.
    begin = zone(0, "Normal", 95, 100_000) + zone(1, "Normal", 96, 100_000)
    end = zone(0, "Normal", 9000, 100_000) + zone(1, "Normal", 9000, 100_000)
    found = imbalance(state(begin, end))
    assert found is not None and found.free is None


def test_a_process_bound_to_a_full_node_is_in_need_only_if_pages_are_scanned() -> None:
    zones = zone(0, "Normal", 95, 100_000) + zone(1, "Normal", 9000, 100_000)
    status = "Name:\tpostgres\nMems_allowed_list:\t0\n"
    made = state(zones, zones, proc__4711__status=status, proc__vmstat="pgscan_direct 5\npgscan_kswapd 5\n")
    assert [(one.name, one.mems) for one in bound(made)] == [("process 4711 (postgres)", (0,))]
    assert in_need(made) is None
    assert in_need(made, scans_per_second=0.0) is not None


def test_nobody_is_bound_who_may_use_every_node_with_memory() -> None:
    zones = zone(0, "Normal", 95, 100_000) + zone(1, "Normal", 9000, 100_000)
    made = state(zones, zones, sys__fs__cgroup__a__cpusetDOTmemsDOTeffective="0-3\n")
    assert nodes_with_memory(made) == (0, 1)
    assert bound(made) == ()


def test_what_is_available_before_meminfo_said_so_is_what_it_can_be_at_the_most() -> None:
    # 2.6.32 has no MemAvailable: 10000 + 20000 + 30000 + 4000 of 640000 kB are 10 %.
    parts = {"MemTotal": 640_000, "MemFree": 10_000, "Active(file)": 20_000, "Inactive(file)": 30_000}
    lines = "".join(f"{name}: {size} kB\n" for name, size in (parts | {"SReclaimable": 4000}).items())
    assert available_percent(state("", proc__meminfo=lines)) == 10.0
    assert available_percent(state("", proc__meminfo="MemTotal: 640000 kB\nMemFree: 10000 kB\n")) is None


def test_the_size_of_a_page_is_taken_from_the_files() -> None:
    # 64 kB pages, as meminfo and vmstat together say: 6400 kB of slabs in 100 pages.
    large = {"proc__meminfo": "SUnreclaim: 6400 kB\n", "proc__vmstat": "nr_slab_unreclaimable 100\n"}
    assert pages_words(state("", **large), 1600) == "100 MB"


def test_meminfo_that_lxcfs_answers_for_a_container_says_nothing_of_the_machine() -> None:
    mounts = "lxcfs /proc/meminfo fuse.lxcfs rw,nosuid,nodev,relatime 0 0\n"
    lines = "MemTotal: 640000 kB\nMemAvailable: 6400 kB\n"
    assert available_percent(state("", proc__meminfo=lines)) == 1.0
    assert available_percent(state("", proc__meminfo=lines, proc__mounts=mounts)) is None
