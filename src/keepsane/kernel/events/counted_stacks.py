# SPDX-License-Identifier: GPL-2.0-or-later
"""
Files of the kernel that count who came by a place, with the stack of each: nothing went wrong there.

    { common_stacktrace:                              a histogram of tracefs; "stacktrace:" up to 6.1
             widget_alloc+0x12/0x40
    } hitcount:          1  bytes_req:          4
         12 widget_alloc+0x12/0x40 age=4/5/6 pid=1-300 cpus=0-3         alloc_traces and free_traces of SLUB
            kmem_cache_alloc_trace+0x1f0/0x2c0

Source: kernel/trace/trace_events_hist.c, hist_trigger_print_key(); mm/slub.c, slab_debugfs_show().
"""

from __future__ import annotations

import re

from keepsane.kernel.log.block import PRELUDE, Block, Opening
from keepsane.kernel.log.trace import MODULE, SYMBOL
from keepsane.model import Event


def parse_counted(block: Block) -> Event | None:
    """Leave out a stack that was only counted."""
    return None


_HISTOGRAM = re.compile(r"\{ .{0,200}?stacktrace:")
_SLUB = re.compile(r"\d{1,12} " + SYMBOL + MODULE + r"(?: waste=\d{1,20}/\d{1,20})? age=\d")

OPENINGS = tuple(
    # Above all ranks: such a list continues no report.
    Opening("counted-stacks", pattern, parse_counted, rank=PRELUDE + 1)
    for pattern in (_HISTOGRAM, _SLUB)
)
