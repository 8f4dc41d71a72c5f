# SPDX-License-Identifier: GPL-2.0-or-later
"""What a failed allocation or an OOM kill asked for, and who asked, in words."""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.kernel.events.alloc_failure.failure import AllocFailure
from keepsane.kernel.events.alloc_failure.purpose import harm_words
from keepsane.kernel.events.oom_kill.kill import OomKill
from keepsane.kernel.pages.gfp_words import asked_words
from keepsane.kernel.pages.ledger_table import loss_words
from keepsane.kernel.pages.zone_state import hidden_free_pages
from keepsane.model import Event, Frame
from keepsane.words import counted

SAID_HERE = frozenset(
    {"order", "mode", "mode_text", "gfp", "requester", "in_interrupt", "memory", "ledger", "size_bytes"}
    | {"suppressed", "tasks", "tasks_left_out", "victims", "cgroup_usage", "cgroup_amounts"}
    | {"victim", "victim_pid", "constraint", "global_oom", "sysrq", "oom_score_adj"}
)
"""Fields of such an event that these words, the account and the findings say; JSON has them all."""


def memory_facts(event: Event) -> Iterator[tuple[str, str]]:
    """Give what was asked for, by whom, and what of the free memory could be used."""
    if not isinstance(event, AllocFailure | OomKill):
        return
    yield from _asked(event)
    if isinstance(event, AllocFailure) and event.requester is not None:
        yield "asked by", _who(event, event.requester)
    if isinstance(event, AllocFailure) and event.gfp is not None:
        yield "harmless", harm_words(event)
    if isinstance(event, AllocFailure) and event.suppressed:
        yield "not printed", f"{event.suppressed} more failures before this one"
    if said := _could_use(event):
        yield "could use", said


def _could_use(event: AllocFailure | OomKill) -> str:
    ledger, memory = event.ledger, event.memory
    if ledger is None:
        return ""
    hidden = hidden_free_pages(memory) if memory is not None and ledger.zones else 0
    beyond = f"{event.size_of(hidden)} more are free in zones or on nodes that the report does not print"
    reach = "" if ledger.verdict == "incomplete" else ", out of its reach"
    said = loss_words(event, ledger) or ("nothing that is printed" if hidden else "")
    return f"{said}. {beyond}{reach}" if hidden else said


def _asked(event: AllocFailure | OomKill) -> Iterator[tuple[str, str]]:
    size = getattr(event, "size_bytes", None)
    parts = [f"{size} bytes"] if size else []
    if event.order is not None and not size:
        pages = 1 << min(event.order, 20)
        parts.append(f"{counted(pages, 'page', 'pages in one piece')} ({event.size_of(pages)})")
    if event.gfp is not None and event.mode is not None:
        parts.append(f"{event.mode:#x} {event.gfp.names}: {asked_words(event.gfp, event.order or 0)}")
    if parts:
        yield "asked for", ", ".join(parts)
    if event.gfp is not None and event.gfp.doubt:
        yield "doubt", event.gfp.doubt


def _who(event: AllocFailure, frame: Frame) -> str:
    module = f" [{frame.module}]" if frame.module else ""
    comm = event.task.comm if event.task else None
    interrupted = f", in an interrupt; {comm} was only interrupted" if event.in_interrupt and comm else ""
    return f"{frame.function}{module}{interrupted}"
