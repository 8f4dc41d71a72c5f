# SPDX-License-Identifier: GPL-2.0-or-later
"""Reduced memory reports of several eras, written after the kernels' format strings."""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.kernel.events.show_mem.show_mem import parse_mem_info
from keepsane.kernel.pages.mem_info import MemInfo
from keepsane.kernel.pages.zone import Zone
from tests.lines import records

# 2.6.16, mm/page_alloc.c: no migrate types, no managed pages, empty zones are printed.
OLD = """\
Mem-info:
DMA per-cpu:
cpu 0 hot: high 0, batch 1 used:0
Normal per-cpu: empty
Free pages:         400kB (0kB HighMem)
Active:90 inactive:120 dirty:1 writeback:0 unstable:0 free:100 slab:44 mapped:18 pagetables:3
DMA free:400kB min:360kB low:448kB high:540kB active:360kB inactive:480kB present:8192kB \
pages_scanned:25 all_unreclaimable? no
lowmem_reserve[]: 0 0 16
Normal free:0kB min:0kB low:0kB high:0kB active:0kB inactive:0kB present:0kB pages_scanned:0 \
all_unreclaimable? yes
lowmem_reserve[]: 0 0 0
DMA: 20*4kB 8*8kB 0*16kB 0*32kB 0*64kB 0*128kB 1*256kB 0*512kB 0*1024kB 0*2048kB 0*4096kB = 400kB
Normal: empty
Swap cache: add 114, delete 114, find 24/59, race 0+0
Free swap  = 1016kB
Total swap = 1020kB
2048 pages of RAM
0 pages of HIGHMEM
1031 reserved pages
"""

# 3.10 on 32-bit ARM: zones hold the LRU counters, no node lines, CMA pages. GFP_ATOMIC: no count of RAM.
ARM = """\
Mem-info:
Normal per-cpu:
CPU    0: hi:  186, btch:  31 usd: 100
active_anon:100 inactive_anon:31 isolated_anon:0
 active_file:785 inactive_file:791 isolated_file:0
 free:300 slab_reclaimable:13 slab_unreclaimable:22
 free_cma:250
Normal free:1200kB min:300kB low:400kB high:500kB active_anon:400kB inactive_anon:124kB \
active_file:3140kB inactive_file:3164kB unevictable:0kB isolated(anon):0kB isolated(file):0kB \
present:1048576kB managed:697164kB mlocked:0kB free_cma:1000kB writeback_tmp:0kB pages_scanned:0 \
all_unreclaimable? no
lowmem_reserve[]: 0 0 2048
HighMem free:4096kB min:128kB low:200kB high:300kB active_anon:0kB present:65536kB managed:65536kB \
free_cma:0kB pages_scanned:0 all_unreclaimable? no
lowmem_reserve[]: 0 0 0
Normal: 20*4kB (UC) 40*8kB (UC) 50*16kB (C) 0*32kB = 1200kB
HighMem: 0*4kB 0*8kB 0*16kB 128*32kB (M) = 4096kB
158 total pagecache pages
0 pages in swap cache
Free swap  = 0kB
Total swap = 0kB
"""

# 6.13 and later on arm64 with pages of 64 kB.
NEW = """\
Mem-Info:
active_anon:1828 inactive_anon:0 isolated_anon:0
 active_file:0 inactive_file:12 isolated_file:0
 free:96 free_pcp:7 free_cma:0
Node 1 active_anon:116992kB inactive_anon:0kB shmem_thp:0kB kernel_stack:1024kB all_unreclaimable? yes
Node 1 Normal free:6144kB boost:1024kB min:5120kB low:6400kB high:7680kB reserved_highatomic:2048KB \
free_highatomic:512KB active_anon:116992kB inactive_anon:0kB active_file:0kB inactive_file:768kB \
unevictable:0kB writepending:0kB zspages:0kB present:262144kB managed:245760kB mlocked:0kB bounce:0kB \
free_pcp:448kB local_pcp:64kB free_cma:0kB unaccepted:640kB
lowmem_reserve[]: 0 0 0 32
Node 1 Normal: 4*64kB (UMH) 6*128kB (U) 0*256kB 4*512kB (ME) 1*1024kB (H) 1*2048kB (M) = 6144kB
Node 1 hugepages_total=4 hugepages_free=3 hugepages_surp=1 hugepages_size=524288kB
12 total pagecache pages
3 pages in swap cache
Free swap  = -64kB
Total swap = 131072kB
8192 pages RAM
0 pages HighMem/MovableOnly
4352 pages reserved
16 pages cma reserved
2 pages hwpoisoned
Unreclaimable slab info:
Name                      Used          Total
kmalloc-64              1216KB       1536KB
"""


def report(text: str) -> MemInfo:
    """Read a memory report; there must be one."""
    info = parse_mem_info(records(text.splitlines()))
    assert info is not None
    return info


def zone(info: MemInfo, name: str) -> Zone:
    """Give the zone of a name."""
    return next(zone for zone in info.zones if zone.name == name)


def cuts(text: str) -> Iterator[tuple[int, str]]:
    """Cut a text after each of its lines but the last: how many lines are left, and they."""
    lines = text.splitlines()
    for count in range(1, len(lines)):
        yield count, "\n".join(lines[:count])
