# SPDX-License-Identifier: GPL-2.0-or-later
"""OOM kills while memory is free on nodes, or in zones of them, that the request was not allowed."""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.oom_kill.cause import (
    cause,
    quote_asked,
    quote_constraint,
    quote_zone,
    who_asked,
)
from keepsane.kernel.events.oom_kill.kill import OomKill
from keepsane.kernel.log.quote import quote_head, quote_line, some
from keepsane.kernel.pages.advice import allow_more_nodes
from keepsane.kernel.pages.watermark import ZoneLedger
from keepsane.kernel.pages.zone import zone_name
from keepsane.report import Evidence, Finding

_BOUNDS = {"CONSTRAINT_CPUSET": "its cpuset", "CONSTRAINT_MEMORY_POLICY": "its memory policy"}


@rule("oom-nodes-limited", on=OomKill)
def oom_nodes_limited(event: OomKill) -> Iterator[Finding]:
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
        raise CannotTell(event.ledger.why if event.ledger else "no zone is printed")
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
        advice=(allow_more_nodes(event),),
        references=("mm/oom_kill.c, constrained_alloc()",),
    )


def _nodes(event: OomKill) -> str:
    nodes = event.nodemask if event.nodemask is not None else event.mems_allowed
    return f" ({', '.join(map(str, nodes[:16]))})" if nodes else ""


def _barred(event: OomKill) -> ZoneLedger | None:
    """Give the printed zone with most free of those that the request could not reach."""
    zones = event.ledger.zones if event.ledger else ()
    out = [
        zone
        for zone in zones
        if zone.outcome == "out-of-reach" and zone.zone.free_pages > zone.zone.high_pages
    ]
    return max(out, key=lambda zone: zone.zone.free_pages, default=None)


def _again(event: OomKill) -> str:
    if (
        event.ledger is None
        or event.ledger.zone is None
        or event.ledger.verdict not in ("race", "contradiction")
    ):
        return ""
    return f"By the time of printing {zone_name(event.ledger.zone.zone)} had enough again."


def _free_in(event: OomKill, barred: ZoneLedger) -> str:
    return f"{event.size_of(barred.zone.free_pages)} free in {zone_name(barred.zone)}"


def _why_barred(event: OomKill, barred: ZoneLedger | None) -> str:
    if barred is None:
        return ""
    mode = event.gfp.names if event.gfp else "the request"
    return f"{mode} cannot use {zone_name(barred.zone)}: {barred.why}."


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
    size = event.size_of(beyond)
    said = f"{size} are free elsewhere: {free} pages in all, {printed} of them in the zones printed."
    return said, quote_line(event, shown, "free in the whole machine, in pages") if shown else None
