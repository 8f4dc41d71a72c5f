# SPDX-License-Identifier: GPL-2.0-or-later
"""Locks that are still held, or are not held, where they should not or should be."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.lockdep.locks import lock_of
from keepsane.kernel.events.lockdep.report import HeldLock, Lockdep
from keepsane.kernel.events.who import particular
from keepsane.kernel.log.culprit import plain_name
from keepsane.kernel.log.quote import matched, quote_frame, quote_head, quote_line, quote_match, some
from keepsane.report import Advice, Finding

MOST_NAMED = 3
"""So many of the locks that are held are named and quoted."""
_RELEASING = re.compile(r".{1,60}?is trying to release lock \((?P<name>.{1,200})\) at:")
_NOTHING = re.compile(r"\s*but there are no more locks to release")
_FREEING = re.compile(
    r".{1,60}?is freeing memory (?P<first>[0-9a-f]{8,16})-(?P<last>[0-9a-f]{8,16}), with a lock still held"
)
_LEFT = re.compile(
    r"still has (?:a )?locks? held|exit with locks"
    r"|lock held (?:when returning to user space|at task exit)"
)


@rule("lock-released-that-is-not-held", on=Lockdep)
def lock_released_that_is_not_held(event: Lockdep) -> Iterator[Finding]:
    """
    A task released a lock that it does not hold.

    What it means: an unlock without its lock: the release is on a path (mostly one of an error, or a stop
    function that is called although the start failed) on which the lock was never taken or was released
    before. Whoever holds it really may now be disturbed by another.

    How we know: lockdep keeps a list of the locks that each task holds; the one named is not on it.

    What to do: follow each way into the releasing function, and see on which the lock is not taken.

    When it is wrong: a lock that one task takes and another releases on purpose must be told to lockdep.
    """
    if "bad unlock balance" not in event.problem and "bad contention" not in event.problem:
        return
    told = matched(event, _RELEASING)
    if told is None:
        raise CannotTell("the report is cut before it says which lock was released")
    holds = held_names(event.locks)
    yield Finding(
        severity="error",
        confidence="high",
        title=f"{told['name']} was released without being held",
        evidence=some(quote_match(event, _RELEASING, "the release"), quote_match(event, _NOTHING)),
        explanation=f"The task holds only {holds}." if holds else "The task holds no lock that is listed.",
        advice=(Advice(text="find the path to this release on which the lock is not taken"),),
        references=("kernel/locking/lockdep.c, print_unlock_imbalance_bug()",),
    )


def held_names(locks: tuple[HeldLock, ...]) -> str:
    """Write the locks that a task holds, with who took each; the first few of many."""
    named = [lock.name + (f" (taken in {lock.function})" if lock.function else "") for lock in locks]
    more = [f"{len(named) - MOST_NAMED} more"] if len(named) > MOST_NAMED else []
    return ", ".join(named[:MOST_NAMED] + more)


@rule("lock-left-held", on=Lockdep)
def lock_left_held(event: Lockdep) -> Iterator[Finding]:
    """
    A task returned to user space, ended or went to sleep and still held a lock.

    What it means: a path forgot to release it, mostly one that returns an error. The next task that wants
    the lock waits for ever.

    How we know: lockdep lists the locks that the task still has, each with the function that took it.

    What to do: look at each return of the function that took the lock.

    When it is wrong: locks that are kept over a return on purpose (a frozen file system) must be told to
    lockdep. A wrong count of an earlier unlock leads to the same list.
    """
    if not _LEFT.search(event.problem):
        return
    if not event.locks:
        raise CannotTell("the report is cut before it lists the locks that are held")
    yield Finding(
        severity="error",
        confidence="high",
        title=f"still held: {held_names(event.locks)}",
        evidence=some(
            quote_head(event),
            *(quote_line(event, lock.line, "still held") for lock in event.locks[:MOST_NAMED]),
        ),
        explanation=_READER if event.locks[0].name.startswith("rcu_read_lock") else _WAITS,
        advice=(Advice(text=f"find the path that does not release what {taker_of(event.locks)} took"),),
        references=("kernel/locking/lockdep.c, debug_check_no_locks_held()",),
    )


_WAITS = "Who wants it next waits for ever."
_READER = "While a reader is inside, RCU ends no grace period: nothing that waits for one goes on."


def taker_of(locks: tuple[HeldLock, ...]) -> str:
    """Name the function that took the first of the locks."""
    return next((lock.function for lock in locks if lock.function), "another function")


@rule("held-lock-freed", on=Lockdep)
def held_lock_freed(event: Lockdep) -> Iterator[Finding]:
    """
    Memory was freed or initialised anew while a lock inside of it was held.

    What it means: the object is gone, and its lock with it: the release that must still come will write into
    freed memory. Mostly a reference was dropped once too often, so that the object ended under its user.

    How we know: lockdep compares the freed range with the locks that the task holds, and names the lock and
    who took it.

    What to do: see who drops the last reference, and whether the one who holds the lock should have one.

    When it is wrong: a lock that is initialised anew on purpose while nobody else can see it looks the same.
    """
    if not event.problem.startswith("held lock freed"):
        return
    place = next((at for at, r in enumerate(event.records) if _FREEING.match(r.text)), None)
    below = event.records[place + 1 : place + 3] if place is not None else ()
    lock = next((found for r in below if (found := lock_of(r.line, r.text))), None)
    if lock is None:
        raise CannotTell("the report is cut before it names the lock")
    stack = next((one for one in event.stacks if one.name == "Call Trace"), None)
    frame = particular(stack.frames) if stack else None
    by = f" by {plain_name(frame.function or '')}" if frame else ""
    taken = f", taken in {lock.function}" if lock.function else ""
    yield Finding(
        severity="error",
        confidence="high",
        title=f"the memory of {lock.name} was freed{by} while it was held{taken}",
        evidence=some(
            quote_match(event, _FREEING, "the memory"),
            lock.quoted(event, "the lock in it"),
            quote_frame(event, frame, "who freed it") if frame else None,
        ),
        explanation="Its release, which must still come, will write into freed memory.",
        advice=(Advice(text="see whether the holder of the lock has a reference of its own"),),
        references=("kernel/locking/lockdep.c, debug_check_no_locks_freed()",),
    )
