# SPDX-License-Identifier: GPL-2.0-or-later
"""
The lines of show_mem(): what memory looked like when an allocation failed or the OOM killer was called.

    Mem-Info:
    Node 0 DMA free:7712kB boost:0kB min:324kB low:404kB high:484kB
    lowmem_reserve[]: 0 1961 1961 1961 1961
    Node 0 DMA: 0*4kB 0*8kB 1*16kB (U) 0*32kB 2*64kB (UM) = 7712kB
    48513 total pagecache pages

Only recognised here, so that they count as read. Source: mm/show_mem.c (until 6.3 mm/page_alloc.c),
__show_mem(); mm/oom_kill.c, dump_tasks().
"""

from __future__ import annotations

MEM_INFO = (
    r"Mem-[Ii]nfo:|\s*(?:in)?active_(?:anon|file):|\s*(?:unevictable|slab_reclaimable|mapped"
    r"|kernel_misc_reclaimable|free|sec_pagetables|bounce):\d"
    r"|\s*(?:Active|Inactive):\s*\d|(?:Node \d+ )?(?:\w+ )?(?:DMA|DMA32|Normal|HighMem|Movable"
    r"|Device)(?: free|:| per-cpu)"
    r"|Node \d+ |lowmem_reserve\[\]|protections\[\]|(?:\d+ )?(?:total pagecache pages|pages in swap cache"
    r"|pages (?:RAM|HighMem|reserved|cma|hwpoisoned|in "
    r"swap|of RAM|shared|slab|free|mapped))|\d+ (?:reserved pages|pages |free pages|slab pages|total)"
    r"|Swap cache|Free swap|Total swap"
    r"|Free pages:|(?:CPU|cpu)\s+\d+:? (?:hi|hot|cold)|all_unreclaimable|per-cpu|Unreclaimable slab"
    r"|Name\s+Used\s+Total|[\w:.-]{1,64}\s+\d+KB\s+\d+KB"
    r"|\s*\d+\*\d+kB|cpuset=|warn_alloc|Memory allocations:|\s*[\d.]+ ?[kMG]?i?B\s+\d+ \S+:\d+|cma: |HighMem"
)
"""Lines of a memory report, as a regular expression."""

CGROUP = (
    r"(?:memory|memory\+swap|swap|kmem): usage \d|Memory cgroup stats for|\s*[a-z][a-z_]{2,40} \d{1,20}\s*$"
    r"|Task in /|Tasks? state|"
    r"\s*\[\s*pid\s*\]|\s*\[\s*\d{1,10}\]\s+\d+\s+\d|Tasks in /|cache:\d+KB|oom-kill:|oom_reaper: "
    r"|(?:Memory cgroup o|O)ut of memory|Killed process \d"
    r"|Out of Memory: |Memory cgroup min protection"
)
"""Lines of a control group's memory, of the table of tasks and of the verdict, as a regular expression."""
