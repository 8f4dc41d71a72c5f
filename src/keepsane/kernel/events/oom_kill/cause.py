# SPDX-License-Identifier: GPL-2.0-or-later
"""Why the OOM killer was called, and the words and quotes that the rules about it share."""

from __future__ import annotations

import re
from typing import Literal

from keepsane.kernel.events.oom_kill.kill import OomKill
from keepsane.kernel.log.quote import quote, quote_line, some
from keepsane.kernel.pages.mem_info import MemInfo
from keepsane.kernel.pages.watermark import ZoneLedger
from keepsane.kernel.pages.zone import Zone
from keepsane.report import Evidence
from keepsane.words import size_words

Cause = Literal["by-hand", "cgroup", "nodes", "kind", "free-again", "global"]
_NODES = ("CONSTRAINT_CPUSET", "CONSTRAINT_MEMORY_POLICY")
_KINDS = ("lowmem-reserve", "cma-only", "highatomic-held", "zone-empty", "fragmentation")
_HEAD = re.compile(r"oom-killer: gfp_mask=")
_CONSTRAINT = re.compile(r"oom-kill:constraint=")
_TOTAL_SWAP = re.compile(r"Total swap\s{0,8}[=:]")
_FREE_SWAP = re.compile(r"Free swap\s{0,8}[=:]\s{0,8}-?\d{1,15}kB")
_FULL = 0.01
"""Swap of which less than this part is free is full."""


def cause(event: OomKill) -> Cause | None:
    """Say what had run out, as far as the report tells; None where it does not."""
    if event.sysrq:
        return "by-hand"
    if event.constraint == "CONSTRAINT_MEMCG" or event.global_oom is False:
        return "cgroup"
    verdict = event.ledger.verdict if event.ledger else None
    if event.constraint in _NODES or verdict == "cpuset-or-movable-only":
        return "nodes"
    if verdict in _KINDS or free_highmem(event):
        return "kind"
    if verdict in ("race", "contradiction"):
        return "free-again"
    return "global" if verdict in ("shortage", "reserves-exhausted") else None


def free_highmem(event: OomKill) -> Zone | None:
    """Give a HighMem zone with plenty free that the request could not use: low memory is what ran out."""
    if event.memory is None or event.ledger is None or event.ledger.verdict != "shortage":
        return None
    barred = [zone.zone for zone in event.ledger.zones if zone.outcome == "out-of-reach"]
    return next(
        (zone for zone in barred if zone.name == "HighMem" and zone.free_pages > zone.high_pages), None
    )


def who_asked(event: OomKill) -> str:
    """Say in a sentence who asked for how much; "" where the headline that says it is lost."""
    task = event.task
    if task is None and event.order is None:
        return ""
    who = "a task" if task is None or task.comm is None else task.comm
    pid = f" (pid {task.pid})" if task and task.pid is not None else ""
    pages = 1 << min(event.order or 0, 20)
    much = f"{pages} pages in one piece" if pages > 1 else "a page"
    return f"The request for {much} came from {who}{pid}: who asks last need not be the culprit."


def swap_words(memory: MemInfo | None) -> str:
    """Say in a sentence how full swap was; "" where the report does not tell."""
    if memory is None or memory.swap_total_kibibytes is None or memory.swap_free_kibibytes is None:
        return ""
    free, total = memory.swap_free_kibibytes, memory.swap_total_kibibytes
    if total == 0:
        return "There is no swap."
    said = f"{size_words(free)} of {size_words(total)} were free"
    return f"Swap was full: {said}." if free < total * _FULL else f"Swap was not full: {said}."


def quote_asked(event: OomKill, note: str = "who asked, and for what") -> Evidence | None:
    """Quote the line that says who asked; None where the report is not there, only its last line."""
    return quote(event, _HEAD, note)


def quote_constraint(event: OomKill, note: str = "what limited the request") -> Evidence | None:
    """Quote the kernel's own word for what ran out; None before 5.0."""
    return quote(event, _CONSTRAINT, note)


def quote_swap(event: OomKill) -> tuple[Evidence, ...]:
    """Quote how much swap is free and how much there is, as far as it was printed."""
    return some(quote(event, _FREE_SWAP), quote(event, _TOTAL_SWAP))


def quote_zone(event: OomKill, zone: ZoneLedger) -> Evidence | None:
    """Quote the zone's line with the numbers that decide."""
    return quote_line(event, zone.zone.line, zone_words(event, zone))


def zone_words(event: OomKill, zone: ZoneLedger) -> str:
    """Say the numbers that decide in a zone: what is left of its free pages, and what has to remain."""
    page = event.page_bytes // 1024
    if zone.left_pages is None or zone.needed_pages is None:
        return f"{zone.zone.free_pages * page} kB free"
    must = max(zone.needed_pages - 1, 0) * page
    return f"{zone.left_pages * page} kB left, more than {must} kB are needed"
