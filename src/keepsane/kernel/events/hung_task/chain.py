# SPDX-License-Identifier: GPL-2.0-or-later
"""Hung tasks that wait for each other: the chain of owners across a whole log."""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.judge import rule
from keepsane.kernel.events.hung_task.report import HungTask
from keepsane.kernel.log.quote import quote_head
from keepsane.model import LogSummary
from keepsane.report import Finding

_MOST_NAMED = 6


@rule("hung-tasks-in-chain", on=LogSummary)
def hung_tasks_in_chain(log: LogSummary) -> Iterator[Finding]:
    """
    Hung tasks wait for each other in a chain, or in a circle.

    What it means: of a chain only the last one matters: all others go on when it does. In a circle nobody
    ever goes on: that is a deadlock, and the order in which they take their locks is wrong.

    How we know: since Linux 6.15 the report of a hung task names the task that likely owns the lock; where
    that owner is itself reported as hung, and names its own, they are put together.

    What to do: read the stack of the last one in the chain. For a circle, look in which order each of them
    takes the two locks.

    When it is wrong: an owner is read without the lock and may have changed; for a semaphore it is only who
    took it last. The reports of a chain must be of one time, minutes apart they may be two chains.
    """
    hung = [
        event for event in log.events if isinstance(event, HungTask) and event.boot == log.events[-1].boot
    ]
    waits = {event.task.pid: event for event in hung if event.task is not None and event.owner is not None}
    led_to = {event.owner.pid for event in waits.values() if event.owner is not None}
    starts = [pid for pid in waits if pid not in led_to] or list(waits)
    chains = [_follow(waits, start) for start in starts]
    longest = max(chains, key=len, default=[])
    if len(longest) > 1:
        yield _finding(longest)


def _follow(waits: dict[int | None, HungTask], start: int | None) -> list[HungTask]:
    """Follow the owners from one task on; it ends where the owner is not hung, or is in the chain already."""
    chain: list[HungTask] = []
    pid: int | None = start
    while pid in waits and waits[pid] not in chain:
        event = waits[pid]
        chain.append(event)
        pid = event.owner.pid if event.owner is not None else None
    return chain


def _finding(chain: list[HungTask]) -> Finding:
    last = chain[-1].owner
    circle = last is not None and any(one.task is not None and one.task.pid == last.pid for one in chain)
    names = [f"{one.task.comm}:{one.task.pid}" for one in chain[:_MOST_NAMED] if one.task is not None]
    end = f"{last.comm}:{last.pid}" if last is not None else ""
    guess = any(one.lock == "semaphore" for one in chain)
    return Finding(
        severity="error" if circle else "warning",
        confidence="low" if guess else "medium",
        title=f"deadlock: {' waits for '.join([*names, end])}"
        if circle
        else " waits for ".join([*names, end]),
        evidence=tuple(quote_head(one, "it waits for the next") for one in chain[:_MOST_NAMED]),
        explanation="Each waits for a lock of the next, and the last for one of theirs: none of them goes on."
        if circle
        else f"{end} is the one that all wait for: it is not reported as hung on a lock itself.",
        references=("kernel/hung_task.c, debug_show_blocker()",),
    )
