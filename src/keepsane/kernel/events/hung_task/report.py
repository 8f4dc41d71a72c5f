# SPDX-License-Identifier: GPL-2.0-or-later
"""
Tasks that waited too long in uninterruptible sleep.

    INFO: task init:93 blocked for more than 120 seconds.
    INFO: task cat:115 blocked in I/O wait for more than 120 seconds.             since 6.17
    INFO: task syz-executor.3:26305 can't die for more than 143 seconds.          linux-next
    INFO: task cat:115 is blocked on a mutex likely owned by task cat:114.        since 6.15

Source: kernel/hung_task.c, check_hung_task() and debug_show_blocker().
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.task_dump import OLD_ROW, ROW
from keepsane.kernel.log.block import Block, Opening, build, titled
from keepsane.kernel.log.culprit import waits_in
from keepsane.kernel.log.groups import read, task_of
from keepsane.kernel.log.quote import quote, quote_head
from keepsane.model import Event, Task
from keepsane.report import Advice, Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class HungTask(Event):
    """
    A task in uninterruptible sleep for `seconds`; `task` is that task, not khungtaskd which reports it.

    `lock` is the kind of lock it waits for and `owner` who likely holds it, where the report says so.
    """

    seconds: int | None = None
    lock: str | None = None
    owner: Task | None = None


HEAD = re.compile(
    r"INFO: task (?P<comm>.{1,40}?):(?P<pid>\d{1,10})\s+(?:<\w+> )?(?:blocked(?: in I/O wait)?"
    r"|can't die) for more than (?P<seconds>\d{1,9}) seconds"
)
_OWNER = re.compile(
    r"INFO: task .{1,40}?:\d{1,20} (?:<\w+> )?(?:is )?blocked on (?:an? )?(?P<lock>[\w-]+)"
    r"(?:, but the owner is not found|"
    r" likely (?:last held|owned) by task (?P<comm>.{1,40}?):(?P<pid>\d{1,10}))?"
)
_OWN = re.compile(
    r"\"echo 0 > /proc/sys/kernel/hung_task|Blocked by coredump|Future hung task reports are suppressed"
    r"|INFO: task .{1,40}?:\d{1,20} .{0,12}(?:is )?blocked on an? |INFO: task \S.{0,40} blocked on a"
)


def parse_hung_task(block: Block) -> HungTask | None:
    """
    Read the report of khungtaskd on one task.

    Accepted format:
        INFO: task kworker/0:1:764 blocked for more than 120 seconds.

    The title's function is the first frame beyond scheduling, locking and waiting. Kernels before 4.14
    without frame pointers print a question mark before every frame.
    """
    blocked = block.find(_OWNER)
    task = read(Task, block.head)
    return build(
        HungTask,
        block,
        "hung-task",
        _title(task, block),
        blocked,
        task=task,
        owner=task_of(blocked),
    )


def parse_rest(block: Block) -> HungTask | None:
    """
    Read the report of a hung task from its third line on, where the first is lost; None without its task.

    Accepted format:
        "echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.
        task:potd            state:D stack:0     pid:334   ppid:2      flags:0x00004000
    """
    row = block.find(ROW) or block.find(OLD_ROW)
    if row is None:
        return None
    task = Task(comm=row["comm"].strip(), pid=int(row["pid"]))
    lacks = "the line that says for how long it was blocked is missing"
    return build(HungTask, block, "hung-task", _title(task, block), task=task, damage=lacks)


def _title(task: Task, block: Block) -> str:
    """Name what the task waits in; where the unwinder confirms no frame at all, say that it is a guess."""
    frames = block.body.stacks[0].frames if block.body.stacks else ()
    if any(frame.reliable and frame.function for frame in frames):
        return titled(f"task {task.comm} hung", waits_in(frames))
    guess = waits_in(replace(frame, reliable=True) for frame in frames if frame.role == "return")
    return f"task {task.comm} hung, perhaps in {guess}" if guess else f"task {task.comm} hung"


_REST = re.compile(r"\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message")
OPENINGS = (
    Opening("hung-task", HEAD, parse_hung_task, own=_OWN),
    Opening("hung-task", _REST, parse_rest, own=_OWN, detail_of=frozenset({"hung-task"})),
)


_OWNED = re.compile(r"blocked on .{0,60} likely (?:owned|last held) by task ")
_CUT = re.compile(r"blocked on (?:an? )?[\w-]{1,64}+(?: likely.{0,20})?$")


@rule("hung-on-lock-owner", on=HungTask)
def hung_on_lock_owner(event: HungTask) -> Iterator[Finding]:
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
            raise CannotTell("the line that names the lock's owner is cut")
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
