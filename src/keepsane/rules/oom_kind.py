# SPDX-License-Identifier: GPL-2.0-or-later
"""OOM kills while much is free: on nodes that are not allowed, or not of the kind that was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from keepsane.kernel.oom import OomKill
from keepsane.kernel.watermark import ZoneLedger
from keepsane.kernel.zone import Zone
from keepsane.model import Advice, Evidence, Finding
from keepsane.rules import CannotTell, rule
from keepsane.rules.oom_cause import (
    cause,
    free_highmem,
    pages_words,
    quote_asked,
    quote_constraint,
    quote_zone,
    some,
    who_asked,
    zone_of,
    zone_words,
)
from keepsane.rules.quote import quote_head, quote_line

_BOUNDS = {"CONSTRAINT_CPUSET": "its cpuset", "CONSTRAINT_MEMORY_POLICY": "its memory policy"}


@rule("oom-nodes-limited", on=OomKill)
def oom_nodes_limited(event: OomKill) -> Iterator[Finding | CannotTell]:
    """
    Memory ran out on the nodes that the request was allowed, while there may be plenty elsewhere.

    What it means: a cpuset or a memory policy binds the task to some NUMA nodes, or all that is free lies in
    zone Movable, which only takes pages that can be moved away. The kernel kills although memory is free.

    How we know: the kernel says CONSTRAINT_CPUSET or CONSTRAINT_MEMORY_POLICY, or the zones with enough free
    are out of the request's reach. `free:` counts the whole machine, the zones' lines only allowed nodes.

    What to do: allow a further node, or one that has a zone other than Movable. A policy that prefers a node
    rather than binding to it falls back to the others.

    When it is wrong: the constraint says what the request was bound to, not that the other nodes had memory;
    where the report does not show that, nothing is said about them.
    """
    if cause(event) != "nodes":
        return
    bound = _BOUNDS.get(event.constraint or "")
    barred = _barred(event)
    if bound is None and barred is None:
        yield CannotTell(event.ledger.why if event.ledger else "no zone is printed")
        return
    allowed = f" on the nodes that {bound} allows{_nodes(event)}" if bound else ""
    title = f"no usable memory was left{allowed}" + (
        f": it may not use the {_free_in(event, barred)}" if barred else ""
    )
    zone = quote_zone(event, barred) if barred else None
    elsewhere = _elsewhere(event)
    yield Finding(
        severity="error",
        confidence="high" if bound else "medium",
        title=title,
        evidence=some(quote_asked(event), zone, elsewhere[1], quote_constraint(event))
        or (quote_head(event),),
        explanation=" ".join(
            filter(None, (who_asked(event), _why_barred(event, barred), elsewhere[0], _again(event)))
        ),
        advice=(
            Advice(
                text="allow a further node: 'cpuset.mems' of its group, --cpuset-mems of its container, or "
                "numactl --preferred in place of --membind. Of memory that is all in zone Movable (boot "
                "option movable_node, memory put online as online_movable) some must be online_kernel",
                verify="'Mems_allowed_list' in /proc/PID/status names the node",
                risk="memory of a further node is slower to reach",
            ),
        ),
        references=("mm/oom_kill.c, constrained_alloc()",),
    )


def _nodes(event: OomKill) -> str:
    nodes = event.nodemask if event.nodemask is not None else event.mems_allowed
    return f" ({', '.join(map(str, nodes[:16]))})" if nodes else ""


def _barred(event: OomKill) -> ZoneLedger | None:
    """Give the printed zone with most free of those that the request could not reach."""
    zones = event.ledger.zones if event.ledger else ()
    out = [
        one for one in zones if one.outcome == "out-of-reach" and one.zone.free_pages > one.zone.high_pages
    ]
    return max(out, key=lambda one: one.zone.free_pages, default=None)


def _again(event: OomKill) -> str:
    if (
        event.ledger is None
        or event.ledger.zone is None
        or event.ledger.verdict not in ("race", "contradiction")
    ):
        return ""
    return f"By the time of printing {zone_of(event.ledger.zone)} had enough again."


def _free_in(event: OomKill, barred: ZoneLedger) -> str:
    return f"{pages_words(event, barred.zone.free_pages)} free in {zone_of(barred)}"


def _why_barred(event: OomKill, barred: ZoneLedger | None) -> str:
    if barred is None:
        return ""
    mode = event.gfp.names if event.gfp else "the request"
    return f"{mode} cannot use {zone_of(barred)}: {barred.why}."


def _elsewhere(event: OomKill) -> tuple[str, Evidence | None]:
    """Say how much is free beyond the zones printed, with the line that counts the whole machine."""
    memory = event.memory
    free = memory.total("free") if memory else None
    if memory is None or free is None or not any(zone.blocks is not None for zone in memory.zones):
        return "", None
    printed = sum(zone.free_pages for zone in memory.zones)
    beyond = free - printed
    if beyond < printed // 10 or beyond <= 0:
        return "", None
    shown = next((record.line for record in event.records if f"free:{free} " in record.text), None)
    size = pages_words(event, beyond)
    said = f"{size} are free elsewhere: {free} pages in all, {printed} of them in the zones printed."
    return said, quote_line(event, shown, "free in the whole machine, in pages") if shown else None


class _Kind(NamedTuple):
    title: str
    meaning: str
    advice: Advice


_COMPACT = Advice(
    text="put free pages together once; where it comes back, find out who needs such blocks so often",
    command="echo 1 | sudo tee /proc/sys/vm/compact_memory",
    undo="nothing is changed",
    verify="/proc/buddyinfo has blocks of that order in the zone",
    risk="costs CPU time for some seconds",
)
_UPDATE = Advice(
    text="update the kernel: since 6.12 it counts what is really free in that reserve "
    '(c928807f6f6b, "mm/page_alloc: keep track of free highatomic")',
    verify="the next report has free_highatomic, or does not come",
)
_KINDS = {
    "lowmem-reserve": _Kind(
        "is kept for requests that can use no higher zone",
        "lowmem_reserve keeps the lower zones from requests that could have used a higher one.",
        Advice(text="free the higher zones: the lower ones are not meant to serve such requests"),
    ),
    "cma-only": _Kind(
        "is CMA, which takes only what can be moved away",
        "CMA is set aside for devices and lends its pages to movable memory only.",
        Advice(text="find out whether all of the CMA area is needed ('cma=' on the kernel's command line)"),
    ),
    "highatomic-held": _Kind(
        "is held for atomic blocks",
        "A part of each zone is held for large blocks that must be had at once.",
        _UPDATE,
    ),
    "zone-empty": _Kind(
        "is in zones that it may not use",
        "No zone that the request may use has any pages.",
        Advice(text="find out who asks for such memory: the mode names the zone"),
    ),
    "fragmentation": _Kind(
        "is in blocks that are too small", "Free pages lie scattered: no block is large enough.", _COMPACT
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
def oom_wrong_kind(event: OomKill) -> Iterator[Finding | CannotTell]:
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
    one, highmem = event.ledger.zone, free_highmem(event)
    kind = _KINDS["highmem" if highmem else event.ledger.verdict]
    shown = quote_zone(event, one) if one else None
    if one is None or shown is None:
        yield CannotTell(f"{event.ledger.why}, but the line of no such zone is in the report")
        return
    phantom = _phantom(one.zone) if event.ledger.verdict == "highatomic-held" else ""
    other = quote_line(event, highmem.line, "free, but out of its reach") if highmem else None
    free = highmem.free_pages if highmem else one.zone.free_pages or event.ledger.free_pages
    yield Finding(
        severity="error",
        confidence="medium" if event.memory and event.memory.lacks else "high",
        title=f"{pages_words(event, free)} were free, but what is free {kind.title}"
        if not phantom
        else f"the kernel took free memory of {zone_of(one)} for a reserve that is not there",
        evidence=some(quote_asked(event), shown, other, *_lists(event, one)),
        explanation=f"{who_asked(event)} {kind.meaning} {zone_of(one)}: {zone_words(event, one)}. "
        f"{phantom}".strip(),
        advice=(kind.advice,),
        references=("mm/page_alloc.c, __zone_watermark_ok()",),
    )


def _phantom(zone: Zone) -> str:
    """Say that the reserve for atomic blocks is subtracted although no free block is in it; else ""."""
    reserved = zone.reserved_highatomic_pages or 0
    lists = zone.blocks or ()
    if zone.free_highatomic_pages is not None or not reserved or not any(one.types for one in lists):
        return ""
    if any("H" in (one.types or "") for one in lists):
        return ""
    return (
        f"Of {zone.free_pages} free pages it subtracts the whole reserve of {reserved}, though no free block "
        "of the list is in it (none has an H): what was reserved is in use, not free."
    )


def _lists(event: OomKill, one: ZoneLedger) -> Iterator[Evidence]:
    """Quote the zone's list of free blocks, where the size or the type of blocks decides."""
    verdict = event.ledger.verdict if event.ledger else ""
    if verdict not in ("fragmentation", "highatomic-held"):
        return
    start = f"{zone_of(one)}: "
    for record in event.records:
        if start in record.text and "kB " in record.text:
            yield from some(quote_line(event, record.line, "its free blocks by size, with their types"))
            return
