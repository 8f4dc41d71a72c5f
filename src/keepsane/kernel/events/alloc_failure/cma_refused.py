# SPDX-License-Identifier: GPL-2.0-or-later
"""
Why an area of the contiguous memory allocator refused: no room, or pages that could not be moved away.

    cma: cma_alloc: reserved: alloc failed, req-size: 148 pages, ret: -16      EBUSY
    cma: cma_alloc: reserved: alloc failed, req-size: 148 pages, ret: -12      ENOMEM

Source: mm/cma.c, cma_alloc(); mm/page_alloc.c, alloc_contig_range().
"""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.alloc_failure.cma import CmaRequest
from keepsane.kernel.events.alloc_failure.failure import AllocFailure
from keepsane.kernel.log.quote import quote_head
from keepsane.report import Advice, Finding

EBUSY, ENOMEM = -16, -12
_REFERENCES = ("mm/cma.c, cma_alloc()", "mm/page_alloc.c, alloc_contig_range()")


@rule("cma-pages-could-not-be-moved", on=AllocFailure)
def cma_pages_could_not_be_moved(event: AllocFailure) -> Iterator[Finding]:
    """
    The area had room, but the pages that others keep there could not be moved away in time.

    What it means: what an area has not given out itself is lent to movable pages. They must be moved before
    it can be given out, and some were pinned, under I/O, or in a range that another request was emptying.

    How we know: cma_alloc() ends with -16 (EBUSY) only where it found a run in its own map that was long
    enough and alloc_contig_range() could not empty it. -12 (ENOMEM) is the want of such a run.

    What to do: see what the device loses; many callers try again. If it comes often, look for what pins
    pages for long (RDMA, VFIO, io_uring buffers, direct I/O) and let it not use movable memory.

    When it is wrong: no cause of the EBUSY is printed: the events in /sys/kernel/tracing/events/cma show
    where the next one stops. Two requests of one area at the same time may be in each other's way.
    """
    cma = event.cma
    if cma is None or cma.error != EBUSY:
        return
    yield Finding(
        severity="warning",
        confidence="high",
        title=f"pages in the area could not be moved away{_of(cma)}",
        evidence=(quote_head(event),),
        explanation=f"{cma.requested_pages} pages in a row were asked for. {_room(cma)} The run that was "
        "tried could not be emptied (-16, EBUSY): a larger area is not what it lacked.",
        advice=(
            Advice(
                text="see where the next one stops",
                as_root=True,
                command="echo 1 > /sys/kernel/debug/tracing/events/cma/enable",
                undo="echo 0 > /sys/kernel/debug/tracing/events/cma/enable",
                verify="cma_alloc_busy_retry in /sys/kernel/debug/tracing/trace names the range",
                risk="none but the space in the trace buffer",
            ),
        ),
        references=_REFERENCES,
    )


@rule("cma-has-no-run", on=AllocFailure)
def cma_has_no_run(event: AllocFailure) -> Iterator[Finding]:
    """
    The area has no run of free pages that is long enough.

    What it means: devices hold so much of the area, or so scattered, that what was asked for does not fit.

    How we know: cma_alloc() ends with -12 (ENOMEM) where its map has no such run; with CONFIG_CMA_DEBUG it
    prints the runs that there are.

    What to do: give the devices a larger area (`cma=` on the kernel's command line, or the device tree), or
    one of their own.

    When it is wrong: a device that gives nothing back fills any area; watch used pages in
    /sys/kernel/debug/cma over time first.
    """
    cma = event.cma
    if cma is None or cma.error is None or cma.error == EBUSY:
        return
    if cma.error != ENOMEM:
        raise CannotTell(f"the area's error {cma.error} is neither -12 (ENOMEM) nor -16 (EBUSY)")
    yield Finding(
        severity="warning",
        confidence="high",
        title=f"no run of free pages is long enough{_of(cma)}",
        evidence=(quote_head(event),),
        explanation=f"{cma.requested_pages} pages in a row were asked for. {_room(cma)}".strip(),
        advice=(
            Advice(
                text="give the devices a larger area: `cma=` on the kernel's command line or the device tree",
                verify="CmaTotal in /proc/meminfo has grown, and the line does not come again",
                risk="what movable memory does not use of it is lost to everything else",
            ),
        ),
        references=_REFERENCES,
    )


def _of(cma: CmaRequest) -> str:
    return f" ({cma.area})" if cma.area else ""


def _room(cma: CmaRequest) -> str:
    if cma.longest_run_pages is None:
        return ""
    return (
        f"The area's own map has {cma.free_pages} of {cma.total_pages} pages free, the longest run is of "
        f"{cma.longest_run_pages}."
    )
