# SPDX-License-Identifier: GPL-2.0-or-later
"""Code that runs without the protection it needs, or where it must not wait: RCU and wait types."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.lockdep.locks import WANTED, Lock, in_function, lock_below, lock_of
from keepsane.kernel.events.lockdep.report import Lockdep
from keepsane.kernel.log.quote import matched, quote, quote_head, quote_line, quote_match, some
from keepsane.report import Advice, Finding

_MOST_NAMED = 3
_SAID = re.compile(
    r"\s*(?P<file>[^\s:]{1,255}):(?P<line>\d{1,7}) (?P<what>(?:suspicious|Illegal|RCU) .{1,200}?)!?\s*+$"
)
_NO_LOCKS = re.compile(r"\s*no locks held by ")
_SOME_LOCKS = re.compile(r"\s*\d{1,3} locks? held by ")


@rule("rcu-used-without-its-lock", on=Lockdep)
def rcu_used_without_its_lock(event: Lockdep) -> Iterator[Finding]:
    """
    Data that RCU protects was used without its read lock, or a reader did what it must not do.

    What it means: `rcu_dereference_check()` names what must be held where a pointer is read: the RCU read
    lock, or the lock of those who write. Neither was held, so the object may be freed during the access.
    `Illegal context switch` is the reverse: a task slept inside of a read-side section.

    How we know: the line under the headline has the file, the line and the words of the check. The locks that
    the task holds are listed below.

    What to do: look at that line: its condition names the lock. Take it, or `rcu_read_lock()` around the use.
    For a context switch, move what may sleep out of the section, or use SRCU.

    When it is wrong: another lock than the one in the condition may protect it as well; then the condition is
    to be widened. Nothing need go wrong on this path now: the check asks what is allowed.
    """
    if not event.problem.startswith("suspicious RCU usage"):
        return
    told = next(((r, found) for r in event.records if (found := _SAID.match(r.text))), None)
    if told is None:
        raise CannotTell("the report is cut before it says which check failed, and where")
    record, found = told
    sleeps = "context switch" in found["what"]
    yield Finding(
        severity="warning",
        confidence="high",
        title=f"{found['what']} at {found['file']}:{found['line']}",
        evidence=some(
            quote_line(event, record.line, "the check"),
            quote_match(event, _NO_LOCKS) or quote_match(event, _SOME_LOCKS),
            *(quote_line(event, lock.line, "held") for lock in event.locks[:_MOST_NAMED]),
        ),
        explanation=f"{_held(event)} {_SLEEPS if sleeps else _UNPROTECTED}",
        advice=(Advice(text=f"compare the condition at {found['file']}:{found['line']} with what is held"),)
        if not sleeps
        else (Advice(text="move what may sleep out of the read-side section, or use SRCU"),),
        references=("Documentation/RCU/lockdep-splat.rst",),
    )


_UNPROTECTED = "What the check asks for is not held: the data may be freed while it is in use."
_SLEEPS = "A task must not sleep inside of an RCU read-side section."


def _held(event: Lockdep) -> str:
    if any(_NO_LOCKS.match(record.text) for record in event.records):
        return "The task holds no lock."
    names = [lock.name for lock in event.locks]
    if not names:
        return "The log does not show what the task holds."
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"The task holds {', '.join(names[:_MOST_NAMED])}{more}."


@rule("lock-waits-longer-than-allowed", on=Lockdep)
def lock_waits_longer_than_allowed(event: Lockdep) -> Iterator[Finding]:
    """
    A lock that may make the task wait is taken where waiting of that sort is not allowed.

    What it means: a mutex may sleep, a spinlock sleeps on a PREEMPT_RT kernel, a raw spinlock never does.
    Inside of one that does not sleep, and in an interrupt, no lock may be taken that waits longer.

    How we know: lockdep prints the wait types as `{outer:inner}`: the lock that is wanted needs a higher
    number than a lock that is held allows, or than the context (`context-{...}`) does.

    What to do: do not hold the inner lock over this call, or make it one that may sleep.

    When it is wrong: without PREEMPT_RT a spinlock under a raw spinlock does no harm; it is a fault there.
    A read-side section that was not left on an earlier path is still listed as held.
    """
    if not event.problem.startswith("Invalid wait context"):
        return
    wanted = lock_below(event, WANTED)
    if wanted is None or wanted.outer is None:
        raise CannotTell("the report is cut before it says which lock is wanted")
    limit = _limit(event, wanted)
    under = f" while {limit.name} is held" if limit else " in a context that does not allow it"
    yield Finding(
        severity="warning",
        confidence="medium",
        title=f"{wanted.name}, which may wait, is taken{in_function(wanted)}{under}",
        evidence=some(
            wanted.quoted(event, "the lock that is wanted, with its wait type"),
            limit.quoted(event, "held: it does not allow such a wait") if limit else quote(event, _CONTEXT),
        ),
        explanation=f"The wait type {wanted.outer} is wanted, and "
        + (
            f"{limit.name}{in_function(limit)} allows {limit.inner}." if limit else "the context allows less."
        ),
        advice=(Advice(text=f"do not hold {limit.name} over this call"),) if limit else (),
        references=("kernel/locking/lockdep.c, check_wait_context()",),
    )


_CONTEXT = re.compile(r"context-\{")


def _limit(event: Lockdep, wanted: Lock) -> Lock | None:
    """Give the first lock held whose inner wait type is lower than what is wanted needs."""
    lines = {lock.line for lock in event.locks}
    held = (lock_of(r.line, r.text) for r in event.records if r.line in lines)
    need = wanted.outer or 0
    return next((lock for lock in held if lock and lock.inner is not None and lock.inner < need), None)


@rule("spinning-lock-owner", on=Lockdep)
def spinning_lock_owner(event: Lockdep) -> Iterator[Finding]:
    """
    A spinlock is used wrongly or waited for in vain, and the report says who owns it.

    What it means: `recursion` is a task that takes a lock it holds already, and waits for itself; `already
    unlocked` and `wrong owner` or `wrong CPU` a release by somebody who does not hold it; `bad magic` a lock
    that was never initialised, was freed, or was overwritten; `lockup` one that is held too long.

    How we know: a kernel with CONFIG_DEBUG_SPINLOCK keeps the owner and its CPU in the lock, and a number
    that says that it is one (dead4ead). They are on the line that begins with `lock:`.

    What to do: for a recursion find the caller that holds the lock; for a lockup look at what the owner does;
    for bad magic look at the life of the object that the lock is in.

    When it is wrong: a lock in freed memory shows an owner that was overwritten.
    """
    if not event.problem.startswith(_SPINNING):
        return
    found = matched(event, _DUMP)
    if found is None:
        raise CannotTell("the line that says who owns the lock is missing")
    good = found["magic"] in _MAGICS
    owner = found["owner"]
    yield Finding(
        severity="error",
        confidence="high" if good else "medium",
        title=_owner_title(event, owner, good=good),
        evidence=some(quote_head(event), quote_match(event, _DUMP, "the lock and its owner")),
        explanation=f"The lock's mark is {found['magic']}, "
        + (
            "as it must be."
            if good
            else "and no lock has that: it was never initialised, freed or overwritten."
        ),
        advice=(Advice(text=_next_step(event, owner, good=good)),),
        references=("kernel/locking/spinlock_debug.c, spin_dump()",),
    )


_SPINNING = ("spinlock ", "rwlock ")
_DUMP = re.compile(
    r"\s*lock: .{1,200}?, \.magic: (?P<magic>[0-9a-f]{8}), "
    r"\.owner: (?P<owner>.{1,40}/-?\d{1,10}), \.owner_cpu: "
)
_MAGICS = frozenset({"dead4ead", "deaf1eed"})
"""SPINLOCK_MAGIC and RWLOCK_MAGIC."""


def _owner_title(event: Lockdep, owner: str, *, good: bool) -> str:
    if not good:
        return "what was taken for a lock is none, or one no more"
    task = event.task
    itself = task is not None and owner == f"{task.comm}/{task.pid}"
    if itself and "recursion" in event.problem:
        return f"{owner} waits for a lock that it holds itself"
    return "the lock has no owner" if owner == "<none>/-1" else f"the lock is owned by {owner}"


def _next_step(event: Lockdep, owner: str, *, good: bool) -> str:
    if not good:
        return "look at the life of the object that the lock is in"
    if "recursion" in event.problem:
        return "find the caller that holds it already, or the interrupt that came while it was held"
    return (
        f"see what {owner} does: its stack decides" if owner != "<none>/-1" else "see who released it before"
    )


@rule("lock-not-initialised", on=Lockdep)
def lock_not_initialised(event: Lockdep) -> Iterator[Finding]:
    """
    A lock was taken that nobody had initialised.

    What it means: the lock lies in memory that was allocated or zeroed, and no spin_lock_init(), mutex_init()
    or the like was called for it. Mostly a function of a driver runs before its setup, or after a setup that
    failed half-way and is cleaned up as if it were whole.

    How we know: lockdep finds a lock by its key: a static one by its address, any other by the key that its
    initialisation gives it. This one has none, and is not static.

    What to do: see whether each path into the function of the title passes the initialisation; zeroed memory
    makes most locks work by luck.

    When it is wrong: memory that was overwritten or freed has no key either.
    """
    if not event.problem.startswith("trying to register non-static key"):
        return
    if not event.stacks:
        raise CannotTell("the report is cut before it shows who takes the lock")
    yield Finding(
        severity="error",
        confidence="medium",
        title="the lock was never initialised, or its memory was overwritten",
        evidence=some(quote_head(event)),
        explanation="Lockdep knows no key for it; it has switched itself off.",
        advice=(Advice(text="see whether each path here passes the lock's initialisation"),),
        references=("kernel/locking/lockdep.c, assign_lock_key()",),
    )
