# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a memory report says where the failure that it belongs to is missing.

    Node 0 DMA32 free:90680kB min:14984kB low:18728kB high:22476kB     free_cma:0kB
    lowmem_reserve[]: 0 0 6002 6002                                    22670 > 3746 + 6002
"""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.kernel.gfp import decode
from keepsane.kernel.mem_report import MemReport
from keepsane.kernel.watermark import ZoneLedger, check_zone, count_pages
from keepsane.kernel.watermark_form import Request
from keepsane.kernel.zone_line import zone_name
from keepsane.kernel.zone_state import lacks_zones
from keepsane.model import Evidence, Finding
from keepsane.rules import rule
from keepsane.rules.quote import quote_line

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
    served = next((one for one in checked if one.outcome == "passes" and not one.borderline), None)
    evidence = quote_line(event, served.zone.line) if served else None
    if served is not None and evidence is not None:
        yield _finding(served, evidence)


def _finding(served: ZoneLedger, evidence: Evidence) -> Finding:
    name = zone_name(served.zone.node, served.zone.name)
    return Finding(
        severity="info",
        confidence="medium",
        title=f"what failed is not in the log; it was not for want of single pages ({name})",
        evidence=(evidence,),
        explanation=f"An ordinary page would have been served from {name} by "
        f"{count_pages(served.margin_pages or 0)}. Order and mode of what failed are missing, so its cause "
        "cannot be told.",
        references=("mm/page_alloc.c, __zone_watermark_ok()",),
    )
