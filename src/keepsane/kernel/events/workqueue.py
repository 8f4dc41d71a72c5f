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
from collections.abc import Iterator
from dataclasses import dataclass

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.lockdep.held import MOST_NAMED, held_names, taker_of
from keepsane.kernel.events.lockdep.report import HeldLock, held_locks
from keepsane.kernel.log.block import Block, Opening, build, titled
from keepsane.kernel.log.culprit import plain_name
from keepsane.kernel.log.groups import Hex, read
from keepsane.kernel.log.quote import quote, quote_head, quote_line, some
from keepsane.model import Event, Task
from keepsane.report import Advice, Evidence, Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkqueueLockup(Event):
    """
    Worker pool `pool` finished nothing for `stuck_seconds`.

    `in_flight` is what its workers run, `elsewhere` what those of other pools do.
    """

    pool: str
    stuck_seconds: int | None = None
    in_flight: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()


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
_PWQ = re.compile(r"\s+pwq \d{1,10}: (?P<pool>cpus=.{1,200}? nice=-?\d{1,3})\b")
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

    The title names what runs in the pool that is stuck; other pools are only busy.

    Accepted format:
        BUG: workqueue lockup - pool cpus=0-1 node=0 flags=0x4 nice=0 stuck for 32s!
    """
    lines, stuck = tuple(_in_flight(block)), ("", block.head["pool"].strip())
    own = tuple(dict.fromkeys(name for pool, name in lines if pool in stuck))
    others = tuple(dict.fromkeys(name for pool, name in lines if pool not in stuck))
    return build(
        WorkqueueLockup,
        block,
        "workqueue-lockup",
        titled("workqueue lockup", own[0] if own else None),
        damage="",
        pool=block.head["pool"].strip(),
        in_flight=own,
        elsewhere=others,
    )


def _in_flight(block: Block) -> Iterator[tuple[str, str]]:
    """Yield what runs, each with the pool it runs in; "" where the log does not say which that is."""
    pool = ""
    for record in block.records:
        if found := _PWQ.match(record.text):
            pool = found["pool"]
        elif found := _IN_FLIGHT.match(record.text):
            yield from ((pool, plain_name(name)) for name in _WORK.findall(found["work"]))


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


@rule("work-function-left-lock-held", on=WorkqueueLeak)
def work_function_left_lock_held(event: WorkqueueLeak) -> Iterator[Finding]:
    """
    A work function returned and left a lock held, or preemption or RCU in a state that is not its own.

    What it means: the next work that the same worker runs begins with that lock, and may wait for itself.

    How we know: the worker compares before and after each work function. A preemption count of zero means a
    lock; the list below says which and who took it.

    What to do: look at each return of the work function named, and of the function that took the lock.

    When it is wrong: the first work function that went wrong may be an earlier one whose report is lost.
    """
    if event.function is None:
        raise CannotTell("the report is cut before it names the work function")
    held = held_names(event.locks)
    count = event.preempt_count
    left = (
        f"left {held} held" if held else f"left a preemption count of {count:#x}" if count else "left a lock"
    )
    yield Finding(
        severity="error",
        confidence="high",
        title=f"{event.function} returned and {left}",
        evidence=some(
            quote_head(event),
            quote(event, re.compile(re.escape(event.function)), "the work function"),
            *(quote_line(event, lock.line, "still held") for lock in event.locks[:MOST_NAMED]),
        ),
        explanation="The worker goes on with other work in this state.",
        advice=(
            Advice(text=f"find the path that does not release what {taker_of(event.locks)} took")
            if event.locks
            else Advice(text=f"see which return of {event.function} leaves it so"),
        ),
        references=("kernel/workqueue.c, process_one_work()",),
    )


_POOL = re.compile(r"cpus=(?P<cpus>[\d,-]{1,60})")


@rule("worker-pool-held", on=WorkqueueLockup)
def worker_pool_held(event: WorkqueueLockup) -> Iterator[Finding]:
    """
    A pool of workers finished nothing for half a minute, and the work that holds it is listed.

    What it means: work items of a CPU run one after the other as long as none of them sleeps. One that runs
    without a pause holds all others up: timers of drivers, the statistics of memory, the network.

    How we know: the watchdog names the pool by its CPUs and the time; `in-flight:` lists the work that its
    workers are running.

    What to do: look at the first work named: it should be shorter, call cond_resched(), or run on a queue
    with WQ_CPU_INTENSIVE or WQ_UNBOUND.

    When it is wrong: work that is in flight may also sleep: then the pool waits for a new worker, which needs
    memory. A CPU that does not run at all (a lockup) holds its pool too.
    """
    found = _POOL.search(event.pool)
    if found is None and not event.in_flight:
        raise CannotTell("the report shows neither the pool's CPUs nor which work is in flight")
    pool = f"the workers of CPU {found['cpus']}" if found else "a pool of workers"
    long = f" for {event.stuck_seconds} s" if event.stuck_seconds is not None else ""
    yield Finding(
        severity="error",
        confidence="medium",
        title=f"{pool} finished nothing{long}: {_runs(event)}",
        evidence=some(quote_head(event), _quote_in_flight(event)),
        explanation="Work of one CPU runs one after the other: what waits behind it is held up."
        + (f" Also in flight: {', '.join(event.in_flight[1:4])}." if len(event.in_flight) > 1 else ""),
        advice=(Advice(text=f"see why {event.in_flight[0]} takes so long, or put it on its own queue"),)
        if event.in_flight
        else (Advice(text="look for a soft lockup or a stall of that CPU, and for its stack"),),
        references=("Documentation/core-api/workqueue.rst",),
    )


def _quote_in_flight(event: WorkqueueLockup) -> Evidence | None:
    if not event.in_flight:
        return None
    work = f":{event.in_flight[0]}"
    lines = (record.line for record in event.records if _IN_FLIGHT.match(record.text) and work in record.text)
    return quote_line(event, next(lines, 0), "what its workers run")


def _runs(event: WorkqueueLockup) -> str:
    if event.in_flight:
        return f"{event.in_flight[0]} is in flight"
    return "which work holds them is not in this log"
