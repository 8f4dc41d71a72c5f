# SPDX-License-Identifier: GPL-2.0-or-later
"""What forbids sleeping in a report of before 5.17, which has two flags and no preempt count."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.atomic_sleep import AtomicSleep
from keepsane.kernel.events.lockdep.held import MOST_NAMED, held_names
from keepsane.kernel.log.culprit import plain_name
from keepsane.kernel.log.machinery import INTERRUPTS, OUTERMOST, TASK_ENTRIES
from keepsane.kernel.log.quote import matched, quote_frame, quote_head, quote_line, quote_match, some
from keepsane.kernel.log.stacks import DISABLED_AT
from keepsane.model import Frame
from keepsane.report import Advice, Evidence, Finding

_FLAGS = re.compile(r"in_atomic\(\): (?P<atomic>\d{1,10}), irqs_disabled\(\): (?P<off>\d{1,10})")


@rule("sleeping-by-its-flags", on=AtomicSleep)
def sleeping_by_its_flags(event: AtomicSleep) -> Iterator[Finding]:
    """
    The flags of the report, with its trace, say why this task must not sleep.

    What it means: with interrupts off nobody can wake the task on this CPU. In an interrupt there is no task
    to put aside. With a spinning lock held or preemption off, others spin or count on this CPU.

    How we know: `irqs_disabled(): 1` says it of interrupts. `in_atomic(): 1` is a raised preempt count, which
    may be a lock or an interrupt: a frame of an interrupt's entry in the trace tells, and a trace that is
    whole and has none. Since 5.17 the count itself is printed, and other rules judge it.

    What to do: move what may sleep out of there, or use the form that does not sleep (GFP_ATOMIC, trylock).

    When it is wrong: a count that an earlier path left raised looks like a lock.
    """
    said = matched(event, _FLAGS)
    if event.preempt_count is not None or said is None:
        return
    off, atomic = said["off"] != "0", said["atomic"] != "0"
    if not off and not atomic:
        return
    frames = [
        one for stack in event.stacks if stack.name != DISABLED_AT for one in stack.frames if one.reliable
    ]
    entry = next((one for one in frames if plain_name(one.function or "") in INTERRUPTS), None)
    where = _where(frames, entry, off=off) if frames else None
    if where is None:
        raise CannotTell("the trace is not whole: a lock and an interrupt look the same")
    held = held_names(event.locks)
    yield Finding(
        severity="error",
        confidence="high" if off else "medium",
        title=f"it sleeps {where}",
        evidence=_quoted(event, entry),
        explanation=f"Locks held, spinning or not: {held}."
        if held
        else "Which lock it is the log does not show.",
        advice=(Advice(text="move what may sleep out of there, or use the form that does not sleep"),),
        references=("kernel/sched/core.c, ___might_sleep()",),
    )


def _where(frames: list[Frame], entry: Frame | None, *, off: bool) -> str | None:
    if off:
        return "with interrupts switched off"
    if entry is not None:
        return "inside of an interrupt or a softirq"
    whole = bool(frames) and _ends(plain_name(frames[-1].function or ""))
    return "while a spinning lock is held, or preemption or bottom halves are off" if whole else None


def _ends(function: str) -> bool:
    return function in OUTERMOST or function in TASK_ENTRIES


def _quoted(event: AtomicSleep, entry: Frame | None) -> tuple[Evidence, ...]:
    return some(
        quote_match(event, _FLAGS, "the flags") or quote_head(event),
        quote_frame(event, entry, "an interrupt came in here") if entry is not None else None,
        *(quote_line(event, lock.line, "held") for lock in event.locks[:MOST_NAMED]),
    )
