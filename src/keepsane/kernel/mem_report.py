# SPDX-License-Identifier: GPL-2.0-or-later
"""
A memory report that stands alone: its beginning is lost, or a person asked for it with sysrq-m.

    sysrq: Show Memory
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
    """
    What memory looked like, in `memory`, where no failed allocation or OOM kill stands above it.

    `sysrq` is true where a person asked for it.
    """

    memory: MemInfo
    sysrq: bool


SYSRQ = re.compile(r"(?:sysrq|SysRq) ?: Show Memory")
HEAD = re.compile(QUOTED + r"Mem-[Ii]nfo:")
ZONE = re.compile(QUOTED + ZONE_NAME + r" free:\s*\d")
_OWN = re.compile(MEM_INFO)


def parse_mem_report(block: Block) -> MemReport | None:
    """
    Read a memory report that no failed allocation and no OOM kill stands above.

    Accepted format:
        Mem-Info:
        Node 0 DMA free:7712kB min:324kB low:404kB high:484kB ...

    None where it tells of no zone.
    """
    memory = parse_mem_info(block.records)
    if memory is None or not memory.zones:
        return None
    sysrq = block.head.re is SYSRQ
    lost = "what stood above this report is missing" if block.head.re is ZONE else ""
    return build(
        MemReport,
        block,
        "other",
        "memory report" + (" asked for with sysrq-m" if sysrq else " that does not say why"),
        damage="; ".join(filter(None, (lost, memory.lacks))),
        memory=memory,
        sysrq=sysrq,
    )


OPENINGS = (
    Opening("memory-report", "Show Memory", SYSRQ, parse_mem_report, own=_OWN),
    Opening("memory-report", "Mem-Info:", HEAD, parse_mem_report, rank=8, own=_OWN, alone=True),
    Opening("memory-report", "Mem-info:", HEAD, parse_mem_report, rank=8, own=_OWN, alone=True),
    Opening("memory-report", "kB min:", ZONE, parse_mem_report, rank=8, own=_OWN, alone=True),
)
