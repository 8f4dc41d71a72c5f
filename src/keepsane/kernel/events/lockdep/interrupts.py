# SPDX-License-Identifier: GPL-2.0-or-later
"""Locks that interrupts take as well."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.lockdep.locks import (
    CHANGED,
    HELD,
    OTHER,
    WANTED,
    Lock,
    in_function,
    lock_below,
)
from keepsane.kernel.events.lockdep.report import Lockdep
from keepsane.kernel.events.who import Doer, doer, lines
from keepsane.kernel.log.quote import quote, some
from keepsane.report import Advice, Finding

_DOCUMENTED = ("Documentation/locking/lockdep-design.rst",)
_USAGE = re.compile(r"inconsistent \{(?P<before>[A-Z-]{4,40})\} -> \{(?P<now>[A-Z-]{4,40})\} usage")
_REGISTERED = re.compile(r"\{[A-Z-]{4,40}\} state was registered at")
_SAFE = re.compile(r"\.{0,3}\s?which became \S{4,20}-safe at")
_UNSAFE = re.compile(r"\.{0,3}\s?which became \S{4,20}-unsafe at")
_ORDER = re.compile(r"(?P<context>HARDIRQ|SOFTIRQ|\w{2,20})-(?:READ-)?safe -> ")
_WORDS = {
    "HARDIRQ": ("an interrupt", "interrupts"),
    "SOFTIRQ": ("a softirq", "softirqs"),
    "RECLAIM_FS": ("memory reclaim", "reclaim"),
}
_LOCKING = {"HARDIRQ": "spin_lock_irqsave()", "SOFTIRQ": "spin_lock_bh()"}


@rule("lock-taken-in-interrupt-and-outside", on=Lockdep)
def lock_taken_in_interrupt_and_outside(event: Lockdep) -> Iterator[Finding]:
    """
    An interrupt takes a lock that is elsewhere taken with that interrupt switched on.

    What it means: if the interrupt comes on the CPU that holds the lock, it waits for the lock, and what it
    interrupted cannot go on to release it. The CPU then stands still for ever.

    How we know: lockdep keeps for each class of locks whether it was taken inside an interrupt (`IN-SOFTIRQ`)
    and whether with interrupts on (`SOFTIRQ-ON`); both were seen, one now and one at the stack printed.

    What to do: where it is taken outside of the interrupt switch that interrupt off: `spin_lock_bh()` against
    softirqs and timers, `spin_lock_irqsave()` against hardware interrupts. Or do the work of the interrupt
    elsewhere, where it needs no lock.

    When it is wrong: two locks of the class that never meet on one CPU (one per device, one of them without
    interrupts) are safe, and lockdep does not know.
    """
    used = next((found for r in event.records if (found := _USAGE.search(r.text))), None)
    if not event.problem.startswith("inconsistent lock state"):
        return
    lock = lock_below(event, WANTED)
    if used is None or lock is None:
        raise CannotTell("the report is cut before it says how the lock was used")
    context = _context(used["before"], used["now"])
    before = doer(event, _REGISTERED, f"the other use: {used['before']}")
    inside_now = used["now"].startswith("IN-")
    one, many = _WORDS.get(context, (context, context))
    here, there = ("Inside", "outside") if inside_now else ("Outside", "inside")
    yield Finding(
        severity="error",
        confidence="high" if before else "medium",
        title=f"{lock.name} is taken in {one}, and elsewhere with {many} on",
        evidence=some(
            quote(event, _USAGE, "the two uses"), lock.quoted(event, "the use now"), *lines(before)
        ),
        explanation=f"{here} it is taken{in_function(lock)}, {there} "
        + (f"in {before.function}." if before else "at a place that this log does not show."),
        advice=_lock_so(context, before.function if inside_now and before else lock.function),
        references=_DOCUMENTED,
    )


def _context(before: str, now: str) -> str:
    """Give `SOFTIRQ` of `SOFTIRQ-ON-W` and `IN-SOFTIRQ-W`."""
    one = now if now.startswith("IN-") else before
    return one.removeprefix("IN-").rsplit("-", 1)[0].removesuffix("-ON")


def _lock_so(context: str, function: str | None) -> tuple[Advice, ...]:
    call = _LOCKING.get(context)
    if call is None or function is None:
        return ()
    return (Advice(text=f"take it with {call} in {function}, or not at all in the interrupt"),)


@rule("lock-of-interrupt-held-over-another", on=Lockdep)
def lock_of_interrupt_held_over_another(event: Lockdep) -> Iterator[Finding]:
    """
    While a lock that interrupts take is held, another is taken that is elsewhere held with interrupts on.

    What it means: three parties can wait in a circle. A CPU holds the second lock with interrupts on; an
    interrupt comes there and waits for the first; its holder, on another CPU, waits for the second.

    How we know: lockdep prints the two locks, and where the first became one that interrupts take and the
    second one that is held with interrupts on.

    What to do: switch the interrupt off wherever the second lock is taken, or do not take it while the first
    is held.

    When it is wrong: the lock that interrupts take may be a third, which is linked to the one held by a chain
    that the report prints below. Classes are judged, not single locks.
    """
    order, inversion = _ORDER.search(event.problem), "irq lock inversion" in event.problem
    if order is None and not inversion:
        return
    if inversion:
        first, second = lock_below(event, CHANGED), lock_below(event, OTHER)
    else:
        first, second = lock_below(event, HELD), lock_below(event, WANTED)
    if first is None or second is None:
        raise CannotTell("the report is cut before it names the two locks")
    yield _over_another(event, first, second, inversion=inversion)


def _over_another(event: Lockdep, first: Lock, second: Lock, *, inversion: bool) -> Finding:
    safe = doer(event, _SAFE, "here a lock became one that interrupts take")
    unsafe = doer(event, _UNSAFE, "here it is taken with interrupts on")
    title = (
        f"{first.name}, taken in an interrupt now, is linked to {second.name}, held with interrupts on"
        if inversion
        else f"{second.name} is taken under {first.name}, which must not wait: interrupts depend on it"
    )
    told = [f"Interrupts take a lock in {safe.function}." if safe else "", _with_on(second, unsafe)]
    return Finding(
        severity="error",
        confidence="medium",
        title=title,
        evidence=some(
            first.quoted(event, "the lock that interrupts wait for"),
            second.quoted(event, "the lock under it"),
            *lines(safe, unsafe),
        ),
        explanation=" ".join(filter(None, told)),
        advice=(Advice(text=f"switch the interrupt off wherever {second.name} is taken"),),
        references=_DOCUMENTED,
    )


def _with_on(second: Lock, unsafe: Doer | None) -> str:
    where = f" in {unsafe.function}" if unsafe else " elsewhere"
    return f"{second.name} is taken with interrupts on{where}."
