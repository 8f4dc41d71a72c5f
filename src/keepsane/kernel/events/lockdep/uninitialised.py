# SPDX-License-Identifier: GPL-2.0-or-later
"""A crash on an object of which lockdep has just said that nobody initialised it."""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.judge import rule
from keepsane.kernel.events.lockdep.report import Lockdep
from keepsane.kernel.log.culprit import plain_name
from keepsane.kernel.log.quote import quote_head
from keepsane.model import Event, LogSummary
from keepsane.report import Advice, Finding

_NO_KEY = "trying to register non-static key"
_CRASHES = frozenset({"null-deref", "page-fault", "general-protection"})


@rule("object-never-initialised", on=LogSummary)
def object_never_initialised(log: LogSummary, *, gap_seconds: float = 1.0) -> Iterator[Finding]:
    """
    The object that this function used was never initialised: lockdep said so just before.

    What it means: a structure with a lock in it was taken from zeroed memory, and the function that sets up
    its lock, its lists and its pointers was not called, or is called later. Its lock does no harm by itself;
    the list heads and pointers beside it are NULL, and the first use of one crashes.

    How we know: "trying to register non-static key" says that a lock has no class, which each
    spin_lock_init() or mutex_init() gives it. The crash names the same function, in the same task, within a
    second.

    What to do: find where the object comes from, and which path to this function leaves out its
    initialisation: an error path, a device that is used before its probe has ended, an ioctl before open.

    When it is wrong: the function may use two objects, and the one that crashed be another than the one with
    the lock. A lock of memory that is already freed and was cleared looks the same.
    """
    warned: Event | None = None
    for event in sorted(log.events, key=lambda event: event.line):
        if isinstance(event, Lockdep) and event.problem.startswith(_NO_KEY):
            warned = event
        elif warned is not None and event.kind in _CRASHES and _is_one(warned, event, gap_seconds):
            yield _finding(warned, event)


def _is_one(warned: Event, crash: Event, gap_seconds: float) -> bool:
    """Tell whether both are about the same function in the same task, at about the same time."""
    functions = {_function(event) for event in (warned, crash)}
    tasks = {event.task and event.task.pid for event in (warned, crash)}
    was, now = warned.records[0].seconds, crash.records[0].seconds
    late = was is not None and now is not None and not 0 <= now - was <= gap_seconds
    return (
        None not in functions
        and len(functions) == 1
        and len(tasks | {None}) == 2
        and warned.boot == crash.boot
        and not late
    )


def _function(event: Event) -> str | None:
    if isinstance(event, Lockdep):
        return event.function
    return plain_name(event.ip.function) if event.ip and event.ip.function else None


def _finding(warned: Event, crash: Event) -> Finding:
    function = _function(crash)
    return Finding(
        severity="error",
        confidence="medium",
        title=f"what {function} used was probably never initialised: lockdep said so at line {warned.line}",
        evidence=(
            quote_head(crash, "the crash"),
            quote_head(warned, "a lock that nobody initialised, in the same function"),
        ),
        explanation=(
            "A lock without a class was never set up, so neither were the lists and pointers beside it: in "
            "zeroed memory they are NULL."
        ),
        advice=(Advice(text=f"find which path to {function} leaves out the object's initialisation"),),
        references=("kernel/locking/lockdep.c, register_lock_class()",),
    )
