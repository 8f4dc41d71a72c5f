# SPDX-License-Identifier: GPL-2.0-or-later
"""Whom a hung task waits for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.kernel.hung_task import HungTask
from keepsane.model import Advice, Finding
from keepsane.rules import CannotTell, rule
from keepsane.rules.quote import quote, quote_head

_OWNED = re.compile(r"blocked on .{0,60} likely (?:owned|last held) by task ")
_CUT = re.compile(r"blocked on (?:an? )?[\w-]{1,64}+(?: likely.{0,20})?$")


@rule("hung-on-lock-owner", on=HungTask)
def hung_on_lock_owner(event: HungTask) -> Iterator[Finding | CannotTell]:
    """
    The hung task waits for a lock, and the kernel knows which task has it.

    What it means: the task shown first is the victim. It can go on when the owner releases the lock, so the
    question is what the owner is doing.

    How we know: since Linux 6.15 khungtaskd looks into the lock that a blocked task waits for and prints
    `likely owned by task`, with the owner's own stack behind it. For a semaphore it is the last task that
    took it, which is less.

    What to do: read the owner's stack: it runs, sleeps, or waits for a further lock. If it waits for one that
    the hung task holds, the two are deadlocked. Without its stack, ask the kernel for all blocked tasks.

    When it is wrong: the owner is read without the lock and may have changed since (hence "likely"). A
    semaphore may be released by another task than the one that took it.
    """
    if event.owner is None:
        if quote(event, _CUT) is not None:
            yield CannotTell("the line that names the lock's owner is cut")
        return
    owner = f"{event.owner.comm}:{event.owner.pid}"
    itself = event.task is not None and event.task.pid == event.owner.pid
    task = f"{event.task.comm}:{event.task.pid}" if event.task else "a task"
    yield Finding(
        severity="warning",
        confidence="low" if event.lock == "semaphore" else "medium",
        title=f"{task} waits for a {event.lock} that it holds itself"
        if itself
        else f"{task} waits for {owner}, which holds its {event.lock}",
        evidence=(quote(event, _OWNED, "the kernel's own guess at the owner") or quote_head(event),),
        explanation="A task cannot wake itself: it took the same lock twice."
        if itself
        else f"{task} is only the victim. What {owner} was doing decides when it goes on.",
        advice=() if itself else (_ALL_BLOCKED,),
        references=("kernel/hung_task.c, debug_show_blocker()",),
    )


_ALL_BLOCKED = Advice(
    text="show the stacks of all blocked tasks, the owner's among them",
    command="echo w | sudo tee /proc/sysrq-trigger",
    undo="nothing is changed",
    verify="dmesg ends with 'Show Blocked State'",
    risk="many lines on a slow serial console hold up the machine for seconds",
)
