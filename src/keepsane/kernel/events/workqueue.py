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

from keepsane.kernel.events.lockdep import HeldLock, held_locks
from keepsane.kernel.log.block import Block, Opening, build
from keepsane.kernel.log.culprit import plain_name
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
    preempt_count: int | None = None
    locks: tuple[HeldLock, ...] = ()


LOCKUP = re.compile(r"BUG: workqueue lockup - pool(?P<pool>.{0,400}?)(?: stuck for (?P<seconds>\d{1,9})s!|$)")
LEAK = re.compile(
    r"BUG: workqueue leaked (?:lock or atomic"
    r"|atomic, lock or RCU): (?P<comm>.{1,40})/(?P<count>0x[0-9a-f]{1,8})/(?P<pid>\d{1,10})"
)
_IN_FLIGHT = re.compile(r"\s+in-flight: (?P<work>.*)")
_WORK = re.compile(r"\d{1,20}+(?:\([\w ]{1,40}+\))?:(?P<function>[A-Za-z_][\w.]{0,255})")
_LAST = re.compile(
    r"\s+last function: (?P<function>[A-Za-z_][\w.]{0,255})"
    r"|.{0,200}with last function (?P<late>[\w.]{1,255}+)"
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
    flights = (found for record in block.records if (found := _IN_FLIGHT.match(record.text)))
    works = tuple(
        dict.fromkeys(plain_name(name) for found in flights for name in _WORK.findall(found["work"]))
    )
    seconds = block.head["seconds"]
    return build(
        WorkqueueLockup,
        block,
        "workqueue-lockup",
        "workqueue lockup" + (f" in {works[0]}" if works else ""),
        damage="",
        pool=block.head["pool"].strip(),
        stuck_seconds=int(seconds) if seconds else None,
        in_flight=works,
    )


def parse_leak(block: Block) -> WorkqueueLeak | None:
    """
    Read a work function that left something held; a preempt count of zero means the lock was leaked.

    Accepted format:
        BUG: workqueue leaked lock or atomic: kworker/0:0/0x00000000/4
             last function: addrconf_dad_work
    """
    last = block.find(_LAST)
    function = plain_name(last["function"] or last["late"]) if last else None
    count = int(block.head["count"], 16)
    return build(
        WorkqueueLeak,
        block,
        "atomic-sleep" if count else "lockdep",
        f"workqueue leaked {'atomic context' if count else 'a lock'}"
        + (f" in {function}" if function else ""),
        task=Task(
            comm=block.head["comm"],
            pid=int(block.head["pid"]),
            cpu=block.body.task.cpu if block.body.task else None,
        ),
        function=function,
        preempt_count=count,
        locks=held_locks(block.records),
    )


OPENINGS = (
    Opening("workqueue-lockup", "BUG: workqueue lockup", LOCKUP, parse_lockup, own=_OWN),
    Opening("workqueue-leak", "BUG: workqueue leaked", LEAK, parse_leak, own=_OWN),
)
