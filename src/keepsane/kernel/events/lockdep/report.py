# SPDX-License-Identifier: GPL-2.0-or-later
"""
Lock debugging: what the lock validator and the spinlock checks object to.

    WARNING: possible circular locking dependency detected            since 4.12
    [ INFO: possible circular locking dependency detected ]           before
    6.1.0-rc3 #1 Not tainted
    ------------------------------------------------------
    init/1 is trying to acquire lock:
    ffffffffc05ae0a0 (lock_b){+.+.}-{3:3}, at: take_b+0x17/0x40
    but task is already holding lock:
    ...
    -> #1 (lock_a){+.+.}-{3:3}:
    BUG: spinlock recursion on CPU#0, init/1
     lock: 0xffff88006c122d00, .magic: dead4ead, .owner: init/1, .owner_cpu: 0

Source: kernel/locking/lockdep.c; kernel/locking/spinlock_debug.c, spin_dump(); kernel/locking/rtmutex.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from keepsane.kernel.log.block import Block, Opening, build, titled
from keepsane.kernel.log.culprit import culprit, is_machinery, plain_name
from keepsane.kernel.log.groups import task_of
from keepsane.kernel.log.machinery import WORKERS
from keepsane.kernel.log.trace import MODULE, SYMBOL
from keepsane.model import Event, LogRecord


class HeldLock(NamedTuple):
    """A lock that lockdep lists: the line that says so, the lock's class, and the function that took it."""

    line: int
    name: str
    function: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lockdep(Event):
    """
    A breach of a locking rule: `problem` in the kernel's words, `locks` those held by the task.

    `function` is where it was found, None where that is not known.
    """

    problem: str
    function: str | None = None
    locks: tuple[HeldLock, ...] = ()


_AT = re.compile(r".{0,1000}?\bat: (?:\[<[0-9a-f]{8,16}>\] )?" + SYMBOL + MODULE)
_PLACE = re.compile(r"\s*(?:\[<[0-9a-f]{8,16}>\] )?" + SYMBOL + MODULE)
_HELD = re.compile(
    r"\s*#\d{1,20}: +(?:[0-9a-f]{8,16} )?\((?P<name>.{1,200}?)\)\{.{2,20}?\}(?:-\{\d:\d\})?, at: "
    r"(?:\[<[0-9a-f]{8,16}>\] )?"
    r"(?:(?P<function>[\w.]{1,255})\+0x)?"
)
_TASK = re.compile(
    r"(?P<comm>\S.{0,40}?)/(?P<pid>\d{1,10}) (?:is (?:trying|freeing|leaving|exiting)|just changed|\[HC"
    r"|takes:|\[\d)"
)
_SAID = re.compile(r"[\[\s]*+(?:INFO|WARNING|BUG): (?:\S{1,64}/\d{1,20} )?(?P<what>.{0,400})")

_ABOUT_HELD = re.compile(r"locks? held|held lock|freeing|exiting")
_AROUND = " \t!.]"
"""What stands behind the sentence of a report: ` ]`, `!`."""


def held_locks(records: Iterable[LogRecord]) -> tuple[HeldLock, ...]:
    """
    Read the list of held locks.

    Accepted format:
        1 lock held by init/1:
         #0: ffff88800130e410 (sb_writers#4){.+.+}-{0:0}, at: ksys_write+0x6b/0xf0
    """
    found = ((record.line, _HELD.match(record.text)) for record in records if "#" in record.text)
    return tuple(
        HeldLock(line, lock["name"], plain_name(lock["function"]) if lock["function"] else None)
        for line, lock in found
        if lock
    )


def _named_at(block: Block) -> str | None:
    """
    Name the first function lockdep itself says a lock was taken or released in, helpers passed over.

    The list of all locks held (`#0: ...`) counts only in a report about a lock that should not be held any
    more: of others, where they were taken is no site of the bug.
    """
    about_held = _ABOUT_HELD.search(block.head_record.text) is not None
    for record, after in pairwise((*block.records, block.records[-1])):
        if record.text.startswith("stack backtrace"):
            return None
        found = _AT.match(record.text) or (
            _PLACE.match(after.text) if record.text.rstrip().endswith(" at:") else None
        )
        if found is None or (not about_held and _HELD.match(record.text)):
            continue
        if not is_machinery(found["function"], found["module"]):
            return plain_name(found["function"])
    return None


def _became_unsafe(block: Block) -> str | None:
    """Name who made the lock one that interrupts take: "... which became HARDIRQ-irq-safe at:"."""
    stacks = [stack for stack in block.body.stacks if stack.name.endswith("-irq-safe at")]
    return culprit(block.body, stacks=stacks[:1], ip=False) if stacks else None


def _flusher(block: Block) -> str | None:
    """Name who waits for the work that a worker is about to do: the worker itself locks nothing."""
    stacks = [stack for stack in block.body.stacks if stack.name.startswith("-> #1 ")]
    return culprit(block.body, stacks=stacks[:1], ip=False) if stacks else None


def _lockdep(block: Block, problem: str, function: str | None) -> Lockdep:
    return build(
        Lockdep,
        block,
        "lockdep",
        titled(problem, function),
        task=block.body.task or task_of(block.find(_TASK)),
        problem=problem,
        function=function,
        locks=held_locks(block.records),
    )


def parse_lockdep(block: Block) -> Lockdep | None:
    """
    Read a report of the lock validator that names the place of the lock (`at: f+0x17/0x20`).

    Accepted format:
        WARNING: possible circular locking dependency detected
        [ BUG: init/1 still has locks held! ]
    """
    said = _SAID.match(block.head_record.text)
    problem = said["what"].rstrip(_AROUND) if said else block.head_record.text.strip("[ ]!")
    function = _became_unsafe(block) or _named_at(block) or culprit(block.body)
    if function and function in WORKERS:
        function = _flusher(block) or function
    return _lockdep(block, problem, function)


def parse_in_stack(block: Block) -> Lockdep | None:
    """
    Read a report whose place is only in its stack.

    Accepted format:
        WARNING: suspicious RCU usage
        INFO: trying to register non-static key.
        BUG: spinlock recursion on CPU#0, init/1
        BUG: MAX_STACK_TRACE_ENTRIES too low!
    """
    return _lockdep(block, block.head["what"].strip(), culprit(block.body))


_HEAD = r"(?:={5,80}+ ?)?(?:\[ )?(?:INFO|WARNING|BUG): "
PLACED = re.compile(
    _HEAD + r"(?:possible (?:circular|recursive|irq lock inversion)|possible deadlock|inconsistent lock state"
    r"|bad (?:un|con)tention|bad (?:un)?lock"
    r"|(?:hard|soft)irq-safe -> |HARDIRQ|SOFTIRQ|\S{1,64}-(?:safe|READ-safe) -> \S|held lock freed"
    r"|\S.{0,40}/\d{1,20} still has (?:a )?locks? held"
    r"|.{0,20}lock held (?:at task exit|when returning)|\S.{0,40}/\d{1,20} (?:freeing|exiting)"
    r"|still has locks"
    r"|lock held|[Nn]ested lock|possible reason: unannotated)"
)
IN_STACK = re.compile(
    _HEAD
    + r"(?P<what>suspicious RCU usage|Invalid wait context|trying to register non-static key|(?:spinlock"
    r"|rwlock|rwsem|mutex|rtmutex) [\w' ]{3,40}?(?=$| on |!|,)|MAX_\w+ too low|key \S+ (?:not in"
    r"|has not been)|lockdep: )"
)
_OWN = re.compile(
    r"\s*+(?:\S++ #\S++ .{0,400}[Tt]ainted|.{1,40}/\d{1,20} (?:is |just |\[HC|takes|was )|but |which "
    r"|and |the "
    r"|other |other info|\.\.\.|\(.{1,200}\)\{|[0-9a-f]{8,16} \(|\{.{1,40}\} state was|hardirqs|softirqs"
    r"|inconsistent \{"
    r"|Possible |CPU\d|----|lock\(|sync\(|rlock\(|<Interrupt>|\*\*\* |May be due|Chain exists|->|=|new "
    r"|to a |context-\{|stack backtrace|INFO: lockdep|turning off|you didn't|maybe|rcu_scheduler_active"
    r"|RCU used illegally"
    r"|lock: |\.magic|\S{1,255}:\d{1,20} (?:suspicious|Illegal)|in_atomic|a (?:SOFT|HARD)IRQ|(?:SOFT"
    r"|HARD)IRQ|Code:"
    r"|\^|\}|(?:at|to)\b)"
)

OPENINGS = (
    Opening("lockdep", PLACED, parse_lockdep, own=_OWN),
    Opening("lockdep", IN_STACK, parse_in_stack, own=_OWN),
)
