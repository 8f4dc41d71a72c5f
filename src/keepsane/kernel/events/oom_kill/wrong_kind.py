# SPDX-License-Identifier: GPL-2.0-or-later
"""OOM kills while much is free, but not of the kind that was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.oom_kill.cause import (
    cause,
    free_highmem,
    quote_asked,
    quote_zone,
    who_asked,
    zone_words,
)
from keepsane.kernel.events.oom_kill.kill import OomKill
from keepsane.kernel.log.quote import quote_line, some
from keepsane.kernel.pages.advice import COUNT_FREE_HIGHATOMIC, compact_for, shrink_cma
from keepsane.kernel.pages.watermark import ZoneLedger
from keepsane.kernel.pages.zone import Zone, zone_name
from keepsane.report import Advice, Evidence, Finding


class _Kind(NamedTuple):
    title: str
    meaning: str
    advice: Advice | None = None


_KINDS = {
    "lowmem-reserve": _Kind(
        "is kept for requests that can use no higher zone",
        "lowmem_reserve keeps the lower zones from requests that could have used a higher one.",
        Advice(text="free the higher zones: the lower ones are not meant to serve such requests"),
    ),
    "cma-only": _Kind(
        "is CMA, which takes only what can be moved away",
        "CMA is set aside for devices and lends its pages to movable memory only.",
    ),
    "highatomic-held": _Kind(
        "is held for atomic blocks",
        "A part of each zone is held for large blocks that must be had at once.",
        COUNT_FREE_HIGHATOMIC,
    ),
    "zone-empty": _Kind(
        "is in zones that it may not use",
        "No zone that the request may use has any pages.",
        Advice(text="find out who asks for such memory: the mode names the zone"),
    ),
    "fragmentation": _Kind(
        "is in blocks that are too small", "Free pages lie scattered: no block is large enough."
    ),
    "highmem": _Kind(
        "is HighMem, which the kernel itself cannot use",
        "A 32-bit kernel reaches only the first part of memory directly, and that part is used up.",
        Advice(
            text="run a 64-bit kernel if the machine can; otherwise fewer threads, mounts and files, whose "
            "kernel objects fill the low memory"
        ),
    ),
}


@rule("oom-wrong-kind", on=OomKill)
def oom_wrong_kind(event: OomKill) -> Iterator[Finding]:
    """
    Much was free, but nothing of the kind that was asked for.

    What it means: free memory is of several kinds. Some zones keep a part for requests that can use no other
    (lowmem_reserve), CMA takes only pages that can be moved away, a part is held for atomic blocks, a 32-bit
    kernel cannot use HighMem for itself, and scattered pages make no large block.

    How we know: the kernel's own arithmetic, done again with the printed numbers: each of these is taken off
    what is free, and the one named leaves too little in the zone that decides.

    What to do: it depends on the kind, which the finding names. More memory alone may not help.

    When it is wrong: until 6.11 the kernel took the whole reserve for atomic blocks for free. Where no free
    block is in it (no H in the list) that is said: then the kernel was mistaken, and killed for nothing.
    """
    if cause(event) != "kind" or event.ledger is None:
        return
    zone, highmem = event.ledger.zone, free_highmem(event)
    kind = _KINDS["highmem" if highmem else event.ledger.verdict]
    shown = quote_zone(event, zone) if zone else None
    if zone is None or shown is None:
        raise CannotTell(f"{event.ledger.why}, but the line of no such zone is in the report")
    phantom = _phantom(zone.zone) if event.ledger.verdict == "highatomic-held" else ""
    other = quote_line(event, highmem.line, "free, but out of its reach") if highmem else None
    free = highmem.free_pages if highmem else zone.zone.free_pages or event.ledger.free_pages
    yield Finding(
        severity="error",
        confidence="medium" if event.memory and event.memory.lacks else "high",
        title=f"{event.size_of(free)} were free, but what is free {kind.title}"
        if not phantom
        else f"the kernel took free memory of {zone_name(zone.zone)} for a reserve that is not there",
        evidence=some(quote_asked(event), shown, other, *_lists(event, zone)),
        explanation=f"{who_asked(event)} {kind.meaning} {zone_name(zone.zone)}: {zone_words(event, zone)}. "
        f"{phantom}".strip(),
        advice=tuple(filter(None, (kind.advice or _sized(event),))),
        references=("mm/page_alloc.c, __zone_watermark_ok()",),
    )


def _sized(event: OomKill) -> Advice | None:
    """Give the advice that the report's numbers are part of: against scattered blocks, or a large CMA."""
    verdict = event.ledger.verdict if event.ledger else ""
    return shrink_cma(event) if verdict == "cma-only" else compact_for(event)


def _phantom(zone: Zone) -> str:
    """Say that the reserve for atomic blocks is subtracted although no free block is in it; else ""."""
    reserved = zone.reserved_highatomic_pages or 0
    lists = zone.blocks or ()
    if zone.free_highatomic_pages is not None or not reserved or not any(blocks.types for blocks in lists):
        return ""
    if any("H" in (blocks.types or "") for blocks in lists):
        return ""
    return (
        f"Of {zone.free_pages} free pages it subtracts the whole reserve of {reserved}, though no free block "
        "of the list is in it (none has an H): what was reserved is in use, not free."
    )


def _lists(event: OomKill, zone: ZoneLedger) -> Iterator[Evidence]:
    """Quote the zone's list of free blocks, where the size or the type of blocks decides."""
    verdict = event.ledger.verdict if event.ledger else ""
    if verdict not in ("fragmentation", "highatomic-held"):
        return
    start = f"{zone_name(zone.zone)}: "
    for record in event.records:
        if start in record.text and "kB " in record.text:
            yield from some(quote_line(event, record.line, "its free blocks by size, with their types"))
            return
