# SPDX-License-Identifier: GPL-2.0-or-later
"""Locks that are taken in two orders, or twice."""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.lockdep.locks import HELD, WANTED, Lock, in_function, links, lock_below
from keepsane.kernel.events.lockdep.report import Lockdep
from keepsane.kernel.log.quote import quote_head, some
from keepsane.report import Advice, Evidence, Finding

_DOCUMENTED = ("Documentation/locking/lockdep-design.rst",)
_MOST_LINKS = 6
"""So many links of a chain are written out; a longer one is named by its ends."""


@rule("locks-in-two-orders", on=Lockdep)
def locks_in_two_orders(event: Lockdep) -> Iterator[Finding]:
    """
    Locks are taken in one order here and in the other elsewhere: two tasks can wait for each other for ever.

    What it means: this task holds a lock and wants another; earlier somebody took the first while the second
    was held, directly or by way of further locks. Nothing is stuck yet. If both happen at the same time, it
    will be, without any further message but that of a hung task.

    How we know: lockdep remembers in which order classes of locks were taken. It prints the lock wanted, the
    lock held, and the chain that leads back, each link with the stack of when it was made.

    What to do: choose one order. The link that is easiest to give up is often one that takes a broad lock
    (rtnl_mutex, a file system's freeze protection, mmap_lock) while a narrow one is held: move that call out.

    When it is wrong: lockdep judges classes, not single locks. Two locks of a class that can never be the
    same two (a parent and its child, two devices of different sorts) need a class or a nesting level of their
    own, and then there is no danger.
    """
    if not event.problem.startswith("possible circular locking"):
        return
    wanted, held = lock_below(event, WANTED), lock_below(event, HELD)
    if wanted is None or held is None:
        raise CannotTell("the report is cut before it says which lock is held and which is wanted")
    chain = links(event)
    earlier = _earlier(chain)
    yield Finding(
        severity="warning",
        confidence="high" if earlier else "medium",
        title=f"{wanted.name} is wanted while {held.name} is held; elsewhere it is the other way round",
        evidence=_evidence(event, wanted, held, chain),
        explanation=f"{_now(wanted, held)}{earlier or _LOST}",
        advice=(Advice(text="choose one order: the link of the chain that is easiest to undo"),),
        references=_DOCUMENTED,
    )


_LOST = "The chain that leads back is not in this log."


def _now(wanted: Lock, held: Lock) -> str:
    """Say which functions take the two, where both are known."""
    if not wanted.function or not held.function:
        return ""
    return f"{held.function} took the one, {wanted.function} wants the other. "


def _earlier(chain: tuple[Lock, ...]) -> str:
    """
    Write a part for each link but `#0`, the oldest first: who took what while which was held.

    "" where the log does not hold all of them: then it is not known what was held.
    """
    if [lock.number for lock in chain] != list(range(len(chain) - 1, -1, -1)) or len(chain) < 2:
        return ""
    taken = [
        f"{lock.name} was taken{in_function(lock)} under {under.name}"
        for lock, under in zip(chain[-2::-1], chain[:0:-1], strict=True)
    ]
    if len(taken) > _MOST_LINKS:
        taken = [taken[0], f"{len(taken) - 2} further links follow", taken[-1]]
    return f"Before: {'; '.join(taken)}."


def _evidence(event: Lockdep, wanted: Lock, held: Lock, chain: tuple[Lock, ...]) -> tuple[Evidence, ...]:
    made = (link.quoted(event, f"here {link.name} was taken") for link in chain[:-1])
    return some(
        wanted.quoted(event, "the lock that is wanted"),
        held.quoted(event, "the lock that is held"),
        *list(made)[:_MOST_LINKS],
    )


@rule("lock-taken-twice", on=Lockdep)
def lock_taken_twice(event: Lockdep) -> Iterator[Finding]:
    """
    A task wants a lock of a class of which it holds one already.

    What it means: if it is the same lock, the task waits for itself, and for ever. If it is another lock of
    the same class, two tasks that take the two in opposite order wait for each other.

    How we know: lockdep prints the lock wanted and the lock held, with their addresses since 4.20: equal
    addresses are the same lock.

    What to do: for the same lock, find the caller that holds it already, and call the variant of the function
    that expects it held. For two locks of a class give them an order and tell lockdep (`mutex_lock_nested()`,
    a class of its own for each level).

    When it is wrong: where the locks are of a tree (parent and child, stacked file systems or devices) the
    order may be fixed by it, and only lockdep does not know.
    """
    if not event.problem.startswith("possible recursive locking"):
        return
    wanted, held = lock_below(event, WANTED), lock_below(event, HELD)
    if wanted is None or held is None:
        raise CannotTell("the report is cut before it says which lock is held and which is wanted")
    known = wanted.address is not None and held.address is not None
    same = known and wanted.address == held.address
    yield Finding(
        severity="error" if same else "warning",
        confidence="high" if known else "medium",
        title=_twice(wanted, held, same=same, known=known),
        evidence=some(wanted.quoted(event, "wanted"), held.quoted(event, "held already")),
        explanation="Both have the same address: the task waits for itself."
        if same
        else "Lockdep knows no order among locks of one class: with the other order elsewhere they deadlock."
        if known
        else "The addresses are not printed: the same lock twice is a deadlock, two locks may be one.",
        advice=(Advice(text=f"see whether the way from{_from(held)} to{_from(wanted)} has to hold it"),),
        references=_DOCUMENTED,
    )


def _twice(wanted: Lock, held: Lock, *, same: bool, known: bool) -> str:
    which = "the same lock" if same else "another of its class" if known else "a lock of its class"
    since = f", taken in {held.function}" if held.function else ""
    return f"{wanted.name} is wanted{in_function(wanted)} while {which} is held{since}"


def _from(lock: Lock) -> str:
    return f" {lock.function}" if lock.function else " it"


@rule("lock-validator-switched-off", on=Lockdep)
def lock_validator_switched_off(event: Lockdep) -> Iterator[Finding]:
    """
    The lock validator ran out of room, or met a lock it does not know, and switched itself off.

    What it means: no lock was used wrongly. Lockdep's tables are of a fixed size; where one is full it stops,
    and finds nothing any more until the next boot.

    How we know: the line says which table (`MAX_STACK_TRACE_ENTRIES`, `MAX_LOCKDEP_KEYS`, ...) is too low.

    What to do: nothing on a machine that only works. On one that tests, enlarge the table: each has its
    option (`CONFIG_LOCKDEP_STACK_TRACE_BITS`, `CONFIG_LOCKDEP_CHAINS_BITS`) since 5.13.

    When it is wrong: a module that is loaded and unloaded again and again, or a lock class made for each
    object, fills any table; `/proc/lockdep_stats` shows which numbers grow.
    """
    if not event.problem.startswith("MAX_"):
        return
    yield Finding(
        severity="note",
        confidence="high",
        title=f"no bug in the code above: lockdep's table {event.problem.split()[0]} is full, it is off now",
        evidence=some(quote_head(event, "the table that is full")),
        explanation="The trace is only that of the lock for which there was no more room.",
        advice=(_READ,),
        references=("lib/Kconfig.debug, LOCKDEP_STACK_TRACE_BITS",),
    )


_READ = Advice(
    text="see which number is near its limit",
    command="cat /proc/lockdep_stats",
    undo="nothing is changed",
    verify="it lists each table with its size",
)
