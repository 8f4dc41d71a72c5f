# SPDX-License-Identifier: GPL-2.0-or-later
"""
Workqueues that make no progress, and work functions that return with a lock held or preemption off.

    BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 32s!
    Showing busy workqueues and worker pools:
    workqueue events: flags=0x0
      pwq 2: cpus=1 node=0 flags=0x0 nice=0 active=1/256 refcnt=2
        in-flight: 75:do_stuck_work
    BUG: workqueue leaked lock or atomic: kworker/0:0/0x00000000/4
         last function: addrconf_dad_work

Source: kernel/workqueue.c, wq_watchdog_timer_fn(), show_one_workqueue() and process_one_work().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.events.lockdep.report import HeldLock, held_locks
from keepsane.kernel.log.block import Block, Opening, build, titled
from keepsane.kernel.log.culprit import plain_name
from keepsane.kernel.log.groups import Hex, read
from keepsane.model import Event, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkqueueLockup(Event):
    """Worker pool `pool` finished nothing for `stuck_seconds`; `in_flight` is what its workers run."""

    pool: str
    stuck_seconds: int | None = None
    in_flight: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkqueueLeak(Event):
    """Work function `function` returned with a lock held, or with `preempt_count` not zero."""

    function: str | None = None
    preempt_count: Hex | None = None
    locks: tuple[HeldLock, ...] = ()


LOCKUP = re.compile(
    r"BUG: workqueue lockup - pool(?P<pool>.{0,400}?)(?: stuck for (?P<stuck_seconds>\d{1,9})s!|$)"
)
LEAK = re.compile(
    r"BUG: workqueue leaked (?:lock or atomic"
    r"|atomic, lock or RCU): (?P<comm>.{1,40})/(?P<preempt_count>0x[0-9a-f]{1,8})/(?P<pid>\d{1,10})"
)
_IN_FLIGHT = re.compile(r"\s+in-flight: (?P<work>.*)")
_WORK = re.compile(r"\d{1,20}+(?:\([\w ]{1,40}+\))?:(?P<function>[A-Za-z_][\w.]{0,255})")
_LAST = re.compile(
    r"\s+last function: (?P<function>[A-Za-z_][\w.]{0,255})"
    r"|.{0,200}with last function (?P<function_>[\w.]{1,255}+)"
)
_OWN = re.compile(
    r"Showing (?:busy|backtraces)|workqueue \S|\s+(?:pwq|pool|in-flight:|pending:|inactive:|delayed:"
    r"|last function:|preempt=)|pool \d"
)


def parse_lockup(block: Block) -> WorkqueueLockup | None:
    """
    Read a worker pool's stall and the busy workqueues printed after it; they come without a stack before 6.2.

    Accepted format:
        BUG: workqueue lockup - pool cpus=0-1 node=0 flags=0x4 nice=0 stuck for 32s!
    """
    works = (name for found in block.find_all(_IN_FLIGHT) for name in _WORK.findall(found["work"]))
    in_flight = tuple(dict.fromkeys(map(plain_name, works)))
    return build(
        WorkqueueLockup,
        block,
        "workqueue-lockup",
        titled("workqueue lockup", in_flight[0] if in_flight else None),
        damage="",
        pool=block.head["pool"].strip(),
        in_flight=in_flight,
    )


def parse_leak(block: Block) -> WorkqueueLeak | None:
    """
    Read a work function that left something held; a preempt count of zero means the lock was leaked.

    Accepted format:
        BUG: workqueue leaked lock or atomic: kworker/0:0/0x00000000/4
             last function: addrconf_dad_work
    """
    last, seen = block.find(_LAST), block.body.task
    function = plain_name(last["function"] or last["function_"]) if last else None
    held = int(block.head["preempt_count"], 16) != 0
    return build(
        WorkqueueLeak,
        block,
        "atomic-sleep" if held else "lockdep",
        titled(f"workqueue leaked {'atomic context' if held else 'a lock'}", function),
        task=read(Task, block.head, cpu=seen.cpu if seen else None),
        function=function,
        locks=held_locks(block.records),
    )


OPENINGS = (
    Opening("workqueue-lockup", LOCKUP, parse_lockup, own=_OWN),
    Opening("workqueue-leak", LEAK, parse_leak, own=_OWN),
)
