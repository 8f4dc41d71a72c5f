# SPDX-License-Identifier: GPL-2.0-or-later
"""
A memory report that stands alone: its beginning is lost, or a person asked for it with sysrq-m.

    Mem-Info:
    Node 0 DMA free:7712kB boost:0kB min:324kB low:404kB high:484kB

Source: mm/show_mem.c, __show_mem(); drivers/tty/sysrq.c, sysrq_handle_showmem().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.block import Block, Opening, build
from keepsane.kernel.mem_info import MemInfo
from keepsane.kernel.memory_line import QUOTED, ZONE_NAME
from keepsane.kernel.show_mem import MEM_INFO, parse_mem_info
from keepsane.model import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class MemReport(Event):
    """What memory looked like, in `memory`, where the log does not say what asked for the report."""

    memory: MemInfo


HEAD = re.compile(QUOTED + r"Mem-[Ii]nfo:")
ZONE = re.compile(QUOTED + ZONE_NAME + r" free:\s*\d")
_OWN = re.compile(MEM_INFO)


def parse_mem_report(block: Block) -> MemReport | None:
    """
    Read a memory report that no failed allocation and no OOM kill stands above.

    Accepted format:
        Mem-Info:
        Node 0 DMA free:7712kB min:324kB low:404kB high:484kB ...
    """
    memory = parse_mem_info(block.records)
    if memory is None or not memory.zones:
        return None
    lost = "" if HEAD.match(block.head_record.text) else "what stood above this report is missing"
    damage = "; ".join(filter(None, (lost, memory.lacks)))
    return build(
        MemReport, block, "other", "memory report that does not say why", damage=damage, memory=memory
    )


OPENINGS = (
    Opening("memory-report", "Mem-Info:", HEAD, parse_mem_report, rank=8, own=_OWN, alone=True),
    Opening("memory-report", "Mem-info:", HEAD, parse_mem_report, rank=8, own=_OWN, alone=True),
    Opening("memory-report", "kB min:", ZONE, parse_mem_report, rank=8, own=_OWN, alone=True),
)
