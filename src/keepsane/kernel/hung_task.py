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
from dataclasses import dataclass

from keepsane.kernel.block import Block, Opening, build
from keepsane.kernel.culprit import waits_in
from keepsane.model import Event, Task


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

    The title's function is the first frame beyond scheduling, locking and waiting.
    """
    owner = block.find(_OWNER)
    function = waits_in(block.body.stacks[0].frames) if block.body.stacks else None
    task = Task(comm=block.head["comm"], pid=int(block.head["pid"]), cpu=None)
    return build(
        HungTask,
        block,
        "hung-task",
        f"task {task.comm} hung" + (f" in {function}" if function else ""),
        task=task,
        seconds=int(block.head["seconds"]),
        lock=owner["lock"] if owner else None,
        owner=Task(comm=owner["comm"], pid=int(owner["pid"]), cpu=None) if owner and owner["pid"] else None,
    )


OPENINGS = (Opening("hung-task", "INFO: task ", HEAD, parse_hung_task, own=_OWN),)
