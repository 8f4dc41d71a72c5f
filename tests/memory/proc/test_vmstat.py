# SPDX-License-Identifier: GPL-2.0-or-later
"""One name for a counter, whatever the kernel calls it. The shapes are those of vmstat_text[]."""

from __future__ import annotations

from pathlib import Path

import pytest

from keepsane.memory.proc.counters import parse_counters
from keepsane.memory.proc.vmstat import vmstat

KERNEL_2_6_32 = """\
nr_free_pages 1000
zone_reclaim_failed 7
pgsteal_dma 0
pgsteal_dma32 100
pgsteal_normal 200
pgsteal_movable 0
kswapd_steal 250
pgscan_kswapd_dma 0
pgscan_kswapd_dma32 10
pgscan_kswapd_normal 20
pgscan_kswapd_movable 0
pgscan_direct_dma 1
pgscan_direct_dma32 2
pgscan_direct_normal 30
pgscan_direct_movable 0
allocstall 4
thp_split 5
"""
KERNEL_3_10 = """\
pgsteal_kswapd_dma32 10
pgsteal_kswapd_normal 20
pgsteal_direct_dma32 3
pgsteal_direct_normal 4
pgscan_direct_normal 50
pgscan_direct_throttle 1000000
allocstall 6
"""
KERNEL_4_19 = """\
pgscan_direct 70
pgscan_direct_throttle 1000000
allocstall_dma 1
allocstall_dma32 2
allocstall_normal 3
allocstall_movable 4
workingset_refault 9
thp_split_page 8
thp_split_page_failed 80
"""
KERNEL_6_12 = """\
workingset_refault_anon 1
workingset_refault_file 2
pgscan_direct 3
pgscan_khugepaged 4
pgsteal_kswapd 5
pgsteal_direct 6
pgsteal_anon 7
pgsteal_file 8
allocstall_normal 9
allocstall_device 10
"""


@pytest.mark.parametrize(
    ("text", "name", "number"),
    [
        (KERNEL_2_6_32, "pgscan_direct", 1 + 2 + 30),
        (KERNEL_2_6_32, "pgscan_kswapd", 10 + 20),
        (KERNEL_2_6_32, "pgsteal_kswapd", 250),
        (KERNEL_2_6_32, "pgsteal_direct", 100 + 200 - 250),
        (KERNEL_2_6_32, "allocstall", 4),
        (KERNEL_2_6_32, "thp_split_page", 5),
        (KERNEL_2_6_32, "zone_reclaim_failed", 7),
        (KERNEL_2_6_32, "zone_reclaim_success", None),
        (KERNEL_2_6_32, "numa_hint_faults", None),
        (KERNEL_3_10, "pgscan_direct", 50),
        (KERNEL_3_10, "pgsteal_kswapd", 10 + 20),
        (KERNEL_3_10, "pgsteal_direct", 3 + 4),
        (KERNEL_3_10, "pgscan_kswapd", None),
        (KERNEL_4_19, "pgscan_direct", 70),
        (KERNEL_4_19, "allocstall", 1 + 2 + 3 + 4),
        (KERNEL_4_19, "workingset_refault_file", 9),
        (KERNEL_4_19, "workingset_refault_anon", None),
        (KERNEL_4_19, "thp_split_page", 8),
        (KERNEL_4_19, "pgsteal_direct", None),
        (KERNEL_6_12, "workingset_refault_file", 2),
        (KERNEL_6_12, "pgsteal_direct", 6),
        (KERNEL_6_12, "allocstall", 9 + 10),
    ],
)
def test_a_counter_is_found_under_its_older_names(text: str, name: str, number: int | None) -> None:
    assert vmstat(parse_counters(text), name) == number


@pytest.mark.skipif(not Path("/proc/vmstat").exists(), reason="this machine has no /proc/vmstat")
def test_every_line_of_this_machine_is_read() -> None:
    text = Path("/proc/vmstat").read_text()

    assert len(parse_counters(text)) == len({line.split()[0] for line in text.splitlines()})
    assert vmstat(parse_counters(text), "pgscan_direct") is not None
