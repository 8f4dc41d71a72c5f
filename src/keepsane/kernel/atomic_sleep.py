# SPDX-License-Identifier: GPL-2.0-or-later
"""
Sleeping where it is forbidden.

    BUG: scheduling while atomic: init/1/0x00000002
    BUG: sleeping function called from invalid context at include/linux/sched/mm.h:274
    in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 1, name: init
    preempt_count: 1, expected: 0
    1 lock held by init/1:
     #0: ffffffffc05ae0a0 (widget_lock){+.+.}-{2:2}, at: do_atomic_sleep+0x12/0x30 [crashme]
    Preemption disabled at:
    [<ffffffffc05ab012>] do_atomic_sleep+0x12/0x30 [crashme]

Source: kernel/sched/core.c, __schedule_bug() and __might_resched().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.block import Block, Opening, build
from keepsane.kernel.culprit import culprit, plain_name
from keepsane.kernel.lockdep import HeldLock, held_locks
from keepsane.model import Event, Stack, Task

DISABLED_AT = "Preemption disabled at"


@dataclass(frozen=True, slots=True, kw_only=True)
class AtomicSleep(Event):
    """
    A task slept or was about to, with preemption or interrupts off.

    `preempt_count` is the kernel's counter, `irqs_disabled` whether interrupts were off, `file` and
    `source_line` the check that found it, `disabled_in` the function that turned preemption
    off, `locks` what the task held.
    """

    preempt_count: int | None = None
    irqs_disabled: bool | None = None
    file: str | None = None
    source_line: int | None = None
    disabled_in: str | None = None
    locks: tuple[HeldLock, ...] = ()


SCHEDULING = re.compile(
    r"BUG: scheduling while atomic: (?P<comm>.{1,40})/(?P<pid>\d{1,10})/(?P<count>0x[0-9a-f]{1,8})"
)
SLEEPING = re.compile(
    r"BUG: sleeping function called from invalid context at (?P<file>[^\s:]{1,255}):(?P<source_line>\d{1,7})"
)
_STATE = re.compile(
    r"(?:in_atomic\(\): (?P<atomic>\d{1,20}), )?irqs_disabled\(\): (?P<irqs>\d{1,20})(?:, non_block:"
    r" \d{1,20})?, pid: "
    r"(?P<pid>\d{1,10}), name: (?P<comm>.{1,32})"
)
_COUNT = re.compile(r"preempt_count: (?P<count>[0-9a-f]{1,8}), expected")
_OWN = re.compile(
    r"in_atomic\(\)|irqs_disabled\(\)|preempt_count: |RCU nest depth|Preemption disabled at"
    r"|\d locks? held|no locks held|INFO: lockdep is turned off"
)


def _disabled_in(stacks: tuple[Stack, ...]) -> str | None:
    stack = next((stack for stack in stacks if stack.name == DISABLED_AT), None)
    function = stack.frames[0].function if stack else None
    return plain_name(function) if function else None


def _task(block: Block, comm: str | None, pid: str | None) -> Task | None:
    seen = block.body.task
    if pid is None:
        return seen
    return Task(comm=comm, pid=int(pid), cpu=seen.cpu if seen else None)


def _in(block: Block) -> str:
    function = culprit(block.body)
    return f" in {function}" if function else ""


def parse_scheduling(block: Block) -> AtomicSleep | None:
    """
    Read schedule() called with the preempt count raised.

    Accepted format:
        BUG: scheduling while atomic: init/1/0x00000002
    """
    return build(
        AtomicSleep,
        block,
        "atomic-sleep",
        "scheduling while atomic" + _in(block),
        task=_task(block, block.head["comm"], block.head["pid"]),
        preempt_count=int(block.head["count"], 16),
        disabled_in=_disabled_in(block.body.stacks),
        locks=held_locks(block.records),
    )


def parse_sleeping(block: Block) -> AtomicSleep | None:
    """
    Read a function that may sleep, called where it must not.

    Accepted format:
        BUG: sleeping function called from invalid context at mm/page_alloc.c:4711
        in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 1, name: init
    """
    state, count = block.find(_STATE), block.find(_COUNT)
    return build(
        AtomicSleep,
        block,
        "atomic-sleep",
        "sleeping function called from invalid context" + _in(block),
        task=_task(block, state["comm"] if state else None, state["pid"] if state else None),
        preempt_count=int(count["count"], 16) if count else None,
        irqs_disabled=state["irqs"] != "0" if state else None,
        file=block.head["file"],
        source_line=int(block.head["source_line"]),
        disabled_in=_disabled_in(block.body.stacks),
        locks=held_locks(block.records),
    )


OPENINGS = (
    Opening("scheduling-while-atomic", "BUG: scheduling while", SCHEDULING, parse_scheduling, own=_OWN),
    Opening("sleeping-function", "BUG: sleeping function", SLEEPING, parse_sleeping, own=_OWN),
)
