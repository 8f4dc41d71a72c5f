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

    bad: scheduling from the idle thread!

Source: kernel/sched/core.c, __schedule_bug() and __might_resched(); kernel/sched/idle.c, dequeue_task_idle().
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.lockdep.report import HeldLock, held_locks
from keepsane.kernel.log.block import Block, Opening, build, titled
from keepsane.kernel.log.culprit import beyond, culprit, is_machinery, plain_name
from keepsane.kernel.log.groups import Groups, Hex, task_of
from keepsane.kernel.log.machinery import ENTRIES, INTERRUPTS, OUTERMOST, REPORTING, USER_MODE_EXITS
from keepsane.kernel.log.quote import matched, quote, quote_head, quote_line, quote_match, some
from keepsane.kernel.log.stacks import DISABLED_AT
from keepsane.model import Event, Stack
from keepsane.report import Advice, Confidence, Evidence, Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class AtomicSleep(Event):
    """
    A task slept or was about to, with preemption or interrupts off.

    `preempt_count` is the kernel's counter, `irqs_disabled` whether interrupts were off, `file` and
    `source_line` the check that found it, `disabled_in` the function that turned preemption
    off, `locks` what the task held.
    """

    preempt_count: Hex | None = None
    irqs_disabled: bool | None = None
    file: str | None = None
    source_line: int | None = None
    disabled_in: str | None = None
    locks: tuple[HeldLock, ...] = ()


SCHEDULING = re.compile(
    r"BUG: scheduling while atomic: (?P<comm>.{1,40})/(?P<pid>\d{1,10})/(?P<preempt_count>0x[0-9a-f]{1,8})"
)
SLEEPING = re.compile(
    r"BUG: sleeping function called from invalid context at (?P<file>[^\s:]{1,1024}):(?P<source_line>\d{1,7})"
)
_STATE = re.compile(
    r"(?:in_atomic\(\): (?P<atomic>\d{1,20}), )?irqs_disabled\(\): (?P<irqs>\d{1,20})(?:, non_block:"
    r" \d{1,20})?, pid: "
    r"(?P<pid>\d{1,10}), name: (?P<comm>.{1,32})"
)
_COUNT = re.compile(r"preempt_count: (?P<preempt_count>[0-9a-f]{1,8}), expected")
_OWN = re.compile(
    r"in_atomic\(\)|irqs_disabled\(\)|preempt_count: |RCU nest depth|Preemption disabled at"
    r"|\d locks? held|no locks held|INFO: lockdep is turned off"
)


def _disabled_in(stacks: tuple[Stack, ...]) -> str | None:
    stack = next((stack for stack in stacks if stack.name == DISABLED_AT), None)
    function = stack.frames[0].function if stack else None
    return plain_name(function) if function else None


def _sleep(block: Block, what: str, who: Groups, *found: Groups, irqs_disabled: bool | None) -> AtomicSleep:
    named, seen = task_of(who), block.body.task
    slept = tuple(stack for stack in block.body.stacks if stack.name != DISABLED_AT)
    function = culprit(block.body, stacks=slept)
    if function is None or is_machinery(function):  # only the way back to user space is beyond
        function = _sleeper(slept)[1] or function
    return build(
        AtomicSleep,
        block,
        "atomic-sleep",
        titled(what, function),
        *found,
        task=replace(named, cpu=seen.cpu if seen else None) if named else seen,
        irqs_disabled=irqs_disabled,
        disabled_in=_disabled_in(block.body.stacks),
        locks=held_locks(block.records),
    )


def parse_scheduling(block: Block) -> AtomicSleep | None:
    """
    Read schedule() called with the preempt count raised.

    Accepted format:
        BUG: scheduling while atomic: init/1/0x00000002
    """
    return _sleep(block, "scheduling while atomic", block.head, irqs_disabled=None)


def parse_sleeping(block: Block) -> AtomicSleep | None:
    """
    Read a function that may sleep, called where it must not.

    Accepted format:
        BUG: sleeping function called from invalid context at mm/page_alloc.c:4711
        in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 1, name: init
    """
    state = block.find(_STATE)
    off = state["irqs"] != "0" if state else None
    what = "sleeping function called from invalid context"
    return _sleep(block, what, state, block.find(_COUNT), irqs_disabled=off)


def parse_idle(block: Block) -> Event | None:
    """Read the idle thread going to sleep, which nobody would ever wake: the line says no more than that."""
    function = culprit(block.body, stacks=beyond(block.body.stacks, _DEQUEUE))
    return build(Event, block, "atomic-sleep", titled("scheduling from the idle thread", function))


_DEQUEUE = frozenset({"dequeue_task_idle"})
"""It prints the line; what called schedule() stands outside of it."""


OPENINGS = (
    Opening("idle-schedules", re.compile(r"bad: scheduling from the idle thread!"), parse_idle),
    Opening("scheduling-while-atomic", SCHEDULING, parse_scheduling, own=_OWN),
    Opening("sleeping-function", SLEEPING, parse_sleeping, own=_OWN),
)


_COUNT_LINE = re.compile(r"preempt_count: [0-9a-f]|scheduling while atomic: ")
_DISABLED_AT = re.compile(r"Preemption disabled at")
_TOO_HIGH = 0x40
"""More levels of disabled preemption than this are no nesting but a count that went below zero."""


class Nesting(NamedTuple):
    """What a preempt count says: how deep preemption and bottom halves are off, and which interrupts run."""

    preempt: int
    bottom_half_off: int
    serving_softirq: bool
    hardirq: int
    nmi: int

    @property
    def interrupt(self) -> str | None:
        """Name the innermost kind of interrupt being served, None in a task."""
        if self.nmi:
            return "a non-maskable interrupt"
        if self.hardirq:
            return "a hardware interrupt"
        return "a softirq" if self.serving_softirq else None


def nesting(preempt_count: int) -> Nesting:
    """
    Take a preempt count apart.

    Bits 0 to 7 preemption, 8 serving a softirq, 9 to 15 bottom halves switched off (each counts two), 16 to
    19 hardware interrupts, 20 to 23 NMIs. Source: include/linux/preempt.h, PREEMPT_MASK to NMI_MASK.
    """
    softirq = preempt_count >> 8 & 0xFF
    return Nesting(
        preempt_count & 0xFF,
        softirq >> 1,
        softirq & 1 == 1,
        preempt_count >> 16 & 0xF,
        preempt_count >> 20 & 0xF,
    )


@rule("sleeping-while-holding-a-lock", on=AtomicSleep)
def sleeping_while_holding_a_lock(event: AtomicSleep) -> Iterator[Finding]:
    """
    A task slept while it held a spinning lock, or with preemption switched off.

    What it means: who waits for a spinlock spins. If its holder sleeps, the waiters burn their CPU until it
    wakes, for ever if it waits for one of them. preempt_disable(), get_cpu() and rcu_read_lock() in kernels
    without preemptible RCU forbid sleeping for their own reasons and count in the same place.

    How we know: the kernel's preempt count has a level of disabled preemption or bottom halves beyond the one
    schedule() itself adds, and no interrupt is being served. Held locks and the place where preemption was
    switched off are named where the kernel was built to print them.

    What to do: release the lock before the call that sleeps, use a form that does not sleep (GFP_ATOMIC,
    trylock), or turn the lock into a mutex if all who take it may sleep.

    When it is wrong: the count may have been raised earlier, by code that forgot to lower it; then the
    function shown is the victim. Compare `Preemption disabled at` with the function that slept. A count of
    zero or below is such an imbalance and does not fire, nor does a task on its way back to user space, which
    holds no lock any more.
    """
    if event.preempt_count is None:
        if not event.irqs_disabled:
            raise CannotTell(
                "the report does not show the preempt count, so a lock and an interrupt look the same"
            )
        return
    found = nesting(event.preempt_count)
    own = 1 if event.file is None else 0
    depth = found.preempt - own
    sleeper = _sleeper(event.stacks)[1]
    if (sleeper or "") in USER_MODE_EXITS:
        return
    if sleeper is None and not event.locks and event.disabled_in is None:
        raise CannotTell("the report does not show who slept: on its way to user space a task holds no lock")
    if found.interrupt is None and depth < _TOO_HIGH and (depth > 0 or found.bottom_half_off):
        where = "while a lock is held or preemption is off"
        yield _finding(event, where, _forbidden_by(event, depth, found.bottom_half_off), "high")


@rule("sleeping-in-interrupt", on=AtomicSleep)
def sleeping_in_interrupt(event: AtomicSleep) -> Iterator[Finding]:
    """
    Code that may sleep ran inside an interrupt.

    What it means: an interrupt, softirq or timer borrows the task it interrupted. It has no task of its own
    that could be put aside, so it must never sleep.

    How we know: the kernel's preempt count says that a softirq, a hardware interrupt or an NMI was being
    served when the function that sleeps was called, and the trace leads through the entry of one. With a
    whole trace that has no such frame the confidence is low, without one it is medium.

    What to do: move the part that sleeps into a workqueue or a threaded interrupt handler, or call the form
    that does not sleep (GFP_ATOMIC, trylock).

    When it is wrong: the count is damaged where an earlier handler left without lowering it; then every later
    task seems to be in an interrupt. Bits above the NMI's are not judged.
    """
    found = nesting(event.preempt_count or 0)
    if found.interrupt is not None and found.preempt < _TOO_HIGH and found.nmi < 0xF:
        stacks = [stack for stack in event.stacks if stack.name != DISABLED_AT]
        seen = any((frame.function or "") in INTERRUPTS for stack in stacks for frame in stack.frames)
        contrary = not seen and any(_is_whole(stack) for stack in stacks)
        why = f"{found.interrupt} is being served" + (
            ", but the trace shows no interrupt" if contrary else ""
        )
        confidence: Confidence = "high" if seen else "low" if contrary else "medium"
        yield _finding(event, f"inside {found.interrupt}", why, confidence)


def _is_whole(stack: Stack) -> bool:
    """Tell whether nothing that called the outermost frame is missing."""
    last = stack.frames[-1].function if stack.frames else None
    return last is not None and (last in OUTERMOST or last in ENTRIES)


def _forbidden_by(event: AtomicSleep, depth: int, bottom_half_off: int) -> str:
    parts = [f"preemption is off, {depth} deep"] if depth > 0 else []
    parts += [f"bottom halves are off, {bottom_half_off} deep"] if bottom_half_off else []
    parts += [f"switched off in {event.disabled_in}"] if event.disabled_in else []
    return ", ".join(parts)


def _finding(event: AtomicSleep, where: str, why: str, confidence: Confidence) -> Finding:
    held = ", ".join(
        f"{lock.name} (taken in {lock.function or 'an unknown function'})" for lock in event.locks
    )
    count = f"{event.preempt_count or 0:#x}"
    sleeper, caller = _sleeper(event.stacks)
    who = f"{caller or 'a task'} sleeps{f' through {sleeper}' if sleeper else ''}"
    return Finding(
        severity="error",
        confidence=confidence,
        title=f"{who} {where}",
        evidence=_evidence(event),
        explanation=f"The preempt count is {count}: {why}."
        + (f" Locks held, spinning or not: {held}." if held else ""),
        references=("include/linux/preempt.h", "Documentation/locking/preempt-locking.rst"),
    )


def _sleeper(stacks: tuple[Stack, ...]) -> tuple[str | None, str | None]:
    """Name the function that sleeps and its first caller that is no general machinery."""
    stack = next((stack for stack in stacks if stack.name != DISABLED_AT), None)
    sleeper = None
    for frame in stack.frames if stack else ():
        name = plain_name(frame.function or "")
        if not frame.reliable or not name or (name in REPORTING and not frame.module):
            continue
        if not is_machinery(name, frame.module):
            return sleeper, name
        sleeper = name
    return sleeper, None


def _evidence(event: AtomicSleep) -> tuple[Evidence, ...]:
    count = quote(event, _COUNT_LINE, "the preempt count") or quote_head(event, "the preempt count")
    disabled = quote(event, _DISABLED_AT, "where preemption was switched off")
    lines = {lock.line for lock in event.locks}
    locks = [Evidence(r.line, r.text.strip(), "a lock held") for r in event.records if r.line in lines]
    return some(count, disabled, *locks)


_FREE = re.compile(r"in_atomic\(\): 0, irqs_disabled\(\): 0(?:, non_block: 0)?,")
_NEST = re.compile(r"RCU nest depth: (?P<depth>\d{1,6}), expected: (?P<expected>\d{1,6})")
_READERS = ("rcu_read_lock",)


@rule("sleeping-inside-rcu-reader", on=AtomicSleep)
def sleeping_inside_rcu_reader(event: AtomicSleep) -> Iterator[Finding]:
    """
    A task slept inside of an RCU read-side section.

    What it means: what is read there may be freed once every reader has passed. A reader that sleeps makes
    all who wait for that wait as long, and on a kernel without preemptible RCU the data may go away under it.

    How we know: no lock spins, no interrupt is served and interrupts are on (`in_atomic(): 0,
    irqs_disabled(): 0`), so only the depth of RCU's readers is left; since 5.17 it is printed. The list of
    locks shows who entered the section.

    What to do: leave the section before the call that sleeps, and take a reference to what is still needed;
    or use SRCU, whose readers may sleep; or call the form that does not sleep (GFP_ATOMIC).

    When it is wrong: the section that is open may be one that an earlier path forgot to leave.
    """
    nest, free = matched(event, _NEST), matched(event, _FREE)
    deep = nest is not None and int(nest["depth"]) > int(nest["expected"])
    reader = next((lock for lock in event.locks if lock.name in _READERS), None)
    if not deep and (nest is not None or free is None or reader is None):
        return
    entered = f", entered in {reader.function}" if reader is not None and reader.function else ""
    yield Finding(
        severity="error",
        confidence="high" if deep or reader is not None else "medium",
        title=f"it sleeps inside of an RCU read-side section{entered}",
        evidence=some(
            quote_match(event, _NEST, "the depth") if deep else quote_match(event, _FREE, "what else is not"),
            quote_line(event, reader.line, "the section") if reader is not None else None,
        ),
        explanation="Neither a spinning lock nor an interrupt forbids it, but RCU's read lock does.",
        advice=(Advice(text="leave the section before, or use SRCU, or the form that does not sleep"),),
        references=("Documentation/RCU/checklist.rst",),
    )
