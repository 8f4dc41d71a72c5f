# SPDX-License-Identifier: GPL-2.0-or-later
"""What a hung task waits for, by the functions it sleeps in, and who has the lock that it waits for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.hung_task.report import HungTask
from keepsane.kernel.events.hung_task.sorts import WAITS, Wait
from keepsane.kernel.events.lockdep.locks import Lock, lock_of
from keepsane.kernel.log.culprit import plain_name, waits_in
from keepsane.kernel.log.machinery import ENTRIES, SCHEDULER, SYSTEM_CALLS
from keepsane.kernel.log.quote import quote_frame, quote_head, quote_line, some
from keepsane.model import Frame, LogRecord, Stack
from keepsane.report import Advice, Finding

_DEEPEST = 14
"""Among so many innermost frames stands what is waited for."""
_REACH = 4
"""How far outside of a general wait (a page, a completion) the function stands that says whose it is."""


def wait_of(event: HungTask) -> tuple[Wait, Frame] | None:
    """Say what a hung task waits for, with the frame that shows it; None where no function tells."""
    stack = event.stacks[0] if event.stacks else None
    frames = _frames(stack)[:_DEEPEST] if stack else []
    names = [plain_name(frame.function or "") for frame in frames]
    end = next((at for at, name in enumerate(names) if name in SYSTEM_CALLS or name in ENTRIES), len(names))
    sorts = [(at, wait) for at in range(end) if (wait := _sort(names[:end], at)) is not None]
    if not sorts:
        return None
    first, wait = sorts[0]
    if wait.general:
        near = (one for one in sorts if one[0] <= first + _REACH and not one[1].general)
        first, wait = next(near, sorts[0])
    return wait, frames[first]


def _frames(stack: Stack) -> list[Frame]:
    """Give the certain frames; where every one is in doubt, all of them."""
    named = [one for one in stack.frames if one.function]
    return [one for one in named if one.reliable] or named


def _sort(names: Sequence[str], at: int) -> Wait | None:
    """Say which sort of wait a function is, by those that stand outside of it too."""
    asleep = at == 0 or names[at - 1] in SCHEDULER
    outer = names[at + 1 : at + 1 + _REACH]
    return next(
        (
            wait
            for wait in WAITS
            if names[at] in wait.functions
            and (asleep or not wait.direct)
            and (wait.of is None or any(name in wait.of for name in outer))
        ),
        None,
    )


@rule("hung-task-waits-for", on=HungTask)
def hung_task_waits_for(event: HungTask) -> Iterator[Finding]:
    """
    The hung task waits for a thing that its functions name: a server, a disk, a journal, a lock, RCU.

    What it means: the task cannot go on before that has happened, and cannot be killed meanwhile. Many tasks
    that hang at the same time often wait for one that waits for something else: only that one matters.

    How we know: the innermost frames of its stack are the ways to wait, and each of them belongs to one sort
    of thing. A general wait (for a page, for a completion) is named by the function around it.

    What to do: look at the thing. For a lock, look for its holder.

    When it is wrong: a task that waits for a lock inside of a file system's code waits for the lock's holder,
    which may wait for something else again. Where every frame has a question mark the confidence is low: an
    earlier wait leaves the same on the stack. 120 seconds of a slow disk are no fault of the kernel.
    """
    if not event.stacks:
        raise CannotTell("the report does not show where the task waits")
    found = wait_of(event)
    if found is None:
        return
    wait, frame = found
    wanted = waits_in(event.stacks[0].frames)
    yield Finding(
        severity="warning",
        confidence="medium" if frame.reliable else "low",
        title=f"it waits for {wait.what}" + (f", wanted in {wanted}" if wait.lock and wanted else ""),
        evidence=some(quote_frame(event, frame, "where it waits") or quote_head(event)),
        explanation=wait.why,
        advice=(Advice(text=wait.step),),
        references=("kernel/hung_task.c",),
    )


_HELD_BY = re.compile(r"\s*\d{1,3} locks? held by (?P<comm>.{1,40})/(?P<pid>\d{1,10})")


class Holder(NamedTuple):
    """A task and the locks that lockdep lists for it, the one it took or wants last at the end."""

    comm: str
    pid: int
    locks: tuple[Lock, ...]


def _holders(records: tuple[LogRecord, ...]) -> tuple[Holder, ...]:
    """Read `Showing all locks held in the system:`, which khungtaskd prints behind the last hung task."""
    found: list[Holder] = []
    for record in records:
        task, lock = _HELD_BY.match(record.text), lock_of(record.line, record.text)
        if task is not None:
            found.append(Holder(task["comm"], int(task["pid"]), ()))
        elif lock is not None and found:
            found[-1] = found[-1]._replace(locks=(*found[-1].locks, lock))
    return tuple(found)


@rule("hung-on-lock-held-by", on=HungTask)
def hung_on_lock_held_by(event: HungTask) -> Iterator[Finding]:
    """
    The list of all locks shows another task that has the lock the hung one waits for.

    What it means: the other task took it and went on to something else; what it does now decides when the
    hung one goes on.

    How we know: in `Showing all locks held in the system` the last lock of a task may be one that it only
    waits for, all before it are its own. The hung task's last lock is listed for another task, with the same
    address, before that task's last: so that one has it.

    What to do: look at what the other task waits for; it may be in the log as hung itself.

    When it is wrong: several may hold a semaphore for reading. The list is made without stopping the tasks,
    and a task that runs on may have released it meanwhile.
    """
    holders = _holders(event.records)
    me = event.task.pid if event.task else None
    mine = next((one for one in holders if one.pid == me and one.locks), None)
    if mine is None or mine.locks[-1].address is None:
        return
    wanted = mine.locks[-1]
    other = next(
        ((one, lock) for one in holders if one.pid != me for lock in one.locks[:-1] if _same(lock, wanted)),
        None,
    )
    if other is None:
        return
    holder, lock = other
    last = holder.locks[-1]
    yield Finding(
        severity="warning",
        confidence="medium",
        title=f"{wanted.name} is held by {holder.comm}:{holder.pid}",
        evidence=some(
            quote_line(event, wanted.line, "what the hung task waits for"),
            quote_line(event, lock.line, f"held by {holder.comm}:{holder.pid}"),
            quote_line(event, last.line, "what that one took or wants last"),
        ),
        explanation=f"{holder.comm}:{holder.pid} took it and went on to {last.name}.",
        advice=(Advice(text=f"look at what {holder.comm}:{holder.pid} does"),),
        references=("kernel/locking/lockdep.c, debug_show_all_locks()",),
    )


def _same(lock: Lock, wanted: Lock) -> bool:
    return lock.address == wanted.address and lock.name == wanted.name
