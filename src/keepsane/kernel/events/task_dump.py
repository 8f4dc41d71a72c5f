# SPDX-License-Identifier: GPL-2.0-or-later
"""
Tasks with their stacks, as sysrq-t and sysrq-w print them.

    sysrq: Show State
      task                        PC stack   pid father                           before 5.10
    task:init            state:S stack:0     pid:1     ppid:0      flags:0x00000002
    task:init            state:S stack:0     pid:1     tgid:1     ppid:0  task_flags:0x400100 flags:0x00004002
    bash            S 0000000000000000     0  3829   3753 0x00000000      up to 4.x
    rcu_sched       I15016    11      2 0x80004000                        with CONFIG_DEBUG_STACK_USAGE
    rcu_preempt     R  running task    22872    10      2 0x80000000

The same row stands in a hung task's report and for the grace-period thread in an RCU stall: it is a part of
those then. Source: kernel/sched/core.c, sched_show_task().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.log.block import Block, Opening, build, titled
from keepsane.kernel.log.culprit import first_beyond, names, waits_in
from keepsane.kernel.log.machinery import WAITS
from keepsane.model import Event, Task

STATES = {
    "R": "running or runnable",
    "S": "sleeping",
    "D": "uninterruptible sleep",
    "T": "stopped",
    "t": "stopped by a debugger",
    "X": "dead",
    "x": "dead",
    "Z": "zombie",
    "P": "parked",
    "I": "idle kernel thread",
    "K": "wakekill",
    "W": "waking",
    "N": "new",
}
"""Letter to meaning. Source: include/linux/sched.h, TASK_STATE_TO_CHAR_STR."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDump(Event):
    """One task of a dump: `state` is the kernel's letter, `state_means` its meaning."""

    state: str
    state_means: str
    parent_pid: int | None = None


ROW = re.compile(
    r"(?P<stack>task:(?P<comm>.{1,32}?))\s{1,16}+state:(?P<state>[A-Za-z])\s.{0,20}?stack:\s{0,16}\d{1,20}\s{1,16}+pid:\s{0,16}"
    r"(?P<pid>\d{1,10})\s{1,16}+"
    r"(?:tgid:\s{0,16}\d{1,20}\s{1,16}+)?ppid:\s{0,16}(?P<parent_pid>\d{1,10})\s"
)
OLD_ROW = re.compile(
    r"(?P<stack>(?P<comm>\S.{0,14}?))\s{1,16}+(?P<state>[RSDTtXxZPIKWN])\s?(?: ?running task)?\s{0,16}+"
    r"(?:[0-9a-f]{8,16}\s{1,16}+)?\d{1,20}\s{1,16}+(?P<pid>\d{1,10})\s{1,16}+"
    r"(?P<parent_pid>\d{1,10})\s{1,16}+0x[0-9a-f]{8}\s*+$"
)
_OWN = re.compile(r"Workqueue: |Stopper: ")
_PARTS_OF = frozenset({"hung-task", "rcu-stall", "workqueue-lockup"})


def parse_task_dump(block: Block) -> TaskDump | None:
    """
    Read one task of a dump.

    Accepted format:
        task:bash            state:S stack:0     pid:3829  ppid:3753   flags:0x00000002
        bash            S 0000000000000000     0  3829   3753 0x00000000

    A running task's stack is what it last saved or none at all; that is no damage.
    """
    head, state = block.head, block.head["state"]
    stack = block.body.stacks[0].frames if block.body.stacks else ()
    function = waits_in(stack) or first_beyond(names(stack), WAITS)
    means = STATES.get(state, "a state this keepsane does not know")
    comm = head["comm"].strip()
    return build(
        TaskDump,
        block,
        "task-dump",
        titled(f"task {comm} is in state {state} ({means})", function),
        task=Task(comm=comm, pid=int(head["pid"])),
        damage="" if stack or state in "RXxZ" else "no call trace",
        state_means=means,
    )


OPENINGS = (
    Opening("task-dump", ROW, parse_task_dump, own=_OWN, joins=_PARTS_OF),
    Opening("task-dump", OLD_ROW, parse_task_dump, own=_OWN, joins=_PARTS_OF),
)
