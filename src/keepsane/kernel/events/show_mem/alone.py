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
from collections.abc import Iterator
from dataclasses import dataclass

from keepsane.judge import rule
from keepsane.kernel.events.show_mem.lines import QUOTED, ZONE_NAME
from keepsane.kernel.events.show_mem.show_mem import MEM_INFO, parse_mem_info
from keepsane.kernel.log.block import Block, Opening, build
from keepsane.kernel.log.quote import quote_line
from keepsane.kernel.pages.gfp import decode
from keepsane.kernel.pages.mem_info import MemInfo
from keepsane.kernel.pages.watermark import ZoneLedger, check_zone
from keepsane.kernel.pages.watermark_form import Request
from keepsane.kernel.pages.zone import zone_name
from keepsane.kernel.pages.zone_state import lacks_zones
from keepsane.model import Event
from keepsane.report import Evidence, Finding
from keepsane.words import counted


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
ZONE = re.compile(QUOTED + ZONE_NAME + r" free:\s*\d.{0,40}?kB min:")
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
    Opening("memory-report", SYSRQ, parse_mem_report, own=_OWN),
    Opening("memory-report", HEAD, parse_mem_report, rank=8, own=_OWN, alone=True),
    Opening("memory-report", ZONE, parse_mem_report, rank=8, own=_OWN, alone=True),
)


# An ordinary page: no right to any reserve and none to CMA, up to zone Normal.
_PAGE = Request(order=0, gfp=decode(0xCC0, names="GFP_KERNEL", release="6.1"))


@rule("memory-report-has-single-pages", on=MemReport)
def memory_report_has_single_pages(event: MemReport) -> Iterator[Finding]:
    """
    The report has lost its beginning, but single pages were to be had.

    What it means: whatever asked, want of ordinary single pages was not its cause: it wanted a larger block,
    lower memory or one node, or the memory came back before this was printed.

    How we know: by the kernel's own check a GFP_KERNEL page would be served from a zone whose line is whole,
    by every version's arithmetic and by more than the counters may lag.

    What to do: look for the lines above, from `page allocation failure` on: order and mode are there.

    When it is wrong: a request may be held to other nodes or zones than those printed.
    """
    if event.sysrq or lacks_zones(event.memory, "Normal"):
        return
    names = tuple(zone.name for zone in event.memory.zones)
    page_bytes = event.memory.page_bytes
    checked = (check_zone(zone, _PAGE, names=names, page_bytes=page_bytes) for zone in event.memory.zones)
    served = next((zone for zone in checked if zone.outcome == "passes" and not zone.borderline), None)
    evidence = quote_line(event, served.zone.line) if served else None
    if served is not None and evidence is not None:
        yield _finding(served, evidence)


def _finding(served: ZoneLedger, evidence: Evidence) -> Finding:
    name = zone_name(served.zone)
    return Finding(
        severity="info",
        confidence="medium",
        title=f"what failed is not in the log; it was not for want of single pages ({name})",
        evidence=(evidence,),
        explanation=f"An ordinary page would have been served from {name} by "
        f"{counted(served.margin_pages or 0, 'page')}. Order and mode of what failed are missing, so its "
        "cause cannot be told.",
        references=("mm/page_alloc.c, __zone_watermark_ok()",),
    )
