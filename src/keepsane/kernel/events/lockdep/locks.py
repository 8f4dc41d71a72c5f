# SPDX-License-Identifier: GPL-2.0-or-later
"""
The lines on which lockdep names a lock, and what they say.

    init/1 is trying to acquire lock:
    ffffffffc05ae0a0 (lock_b){+.+.}-{3:3}, at: take_b+0x17/0x40
    but task is already holding lock:
     (lock_a){+.+.}, at: [<ffffffff9edb41bb>] take_a+0xbb/0x3a0         before 4.20, no address
    -> #1 (lock_a){+.+.}-{3:3}:                                         with its stack below

Source: kernel/locking/lockdep.c, print_lock(), print_lock_name() and print_circular_bug_entry().
"""

from __future__ import annotations

import re
from typing import NamedTuple

from keepsane.kernel.events.lockdep.report import Lockdep
from keepsane.kernel.events.who import particular
from keepsane.kernel.log.culprit import plain_name
from keepsane.kernel.log.quote import quote_line
from keepsane.model import Event
from keepsane.report import Evidence

_LOCK = re.compile(
    r"\s*(?:#\d{1,3}: +)?(?:(?P<address>[0-9a-f]{8,16}) )?\((?P<name>.{1,200}?)\)\{[^}]{2,20}\}"
    r"(?:-\{(?P<outer>\d):(?P<inner>\d)\})?"
    r"(?:, at: (?:\[<[0-9a-f]{8,16}>\] )?(?P<function>[A-Za-z_][\w.]{0,255})\+0x)?"
)
_LINK = re.compile(r"-> #(?P<number>\d{1,5}) \((?P<name>.{1,200}?)\)\{")
_REACH = 3
"""In how many lines below its heading the lock stands; another task's line may come between."""

WANTED = re.compile(r"\S.{0,60}?(?:is trying to (?:acquire|lock)(?: lock)?|takes):")
HELD = re.compile(r"\s*(?:but task is already holding|and this task is already holding)(?: lock)?:")
CHANGED = re.compile(r"\S.{0,60}? just changed the state of lock:")
OTHER = re.compile(
    r"\s*but this lock (?:took another, .{1,40} lock in the past|was taken by another, .{1,60}):"
)


class Lock(NamedTuple):
    """
    A lock on a line of its own: the class's name, the function that takes it, its address as printed.

    `outer` and `inner` are its wait types, where printed: the higher, the longer may it make a task wait.
    `number` is its place in a dependency chain.
    """

    line: int
    name: str
    function: str | None = None
    address: str | None = None
    outer: int | None = None
    inner: int | None = None
    number: int | None = None

    def quoted(self, event: Event, note: str) -> Evidence | None:
        """Quote the lock's line."""
        return quote_line(event, self.line, note)


def lock_of(line: int, text: str) -> Lock | None:
    """Read a line that names a lock; None where it names none."""
    found = _LOCK.match(text)
    if found is None:
        return None
    outer, inner = (int(found[part]) if found[part] else None for part in ("outer", "inner"))
    function = plain_name(found["function"]) if found["function"] else None
    return Lock(line, found["name"], function, found["address"], outer, inner)


def lock_below(event: Event, heading: re.Pattern[str]) -> Lock | None:
    """Give the lock whose line stands below a heading, None where the report has no such heading or lock."""
    for place, record in enumerate(event.records):
        if heading.match(record.text):
            below = event.records[place + 1 : place + 1 + _REACH]
            return next((lock for one in below if (lock := lock_of(one.line, one.text))), None)
    return None


def links(event: Lockdep) -> tuple[Lock, ...]:
    """
    Give the locks of the dependency chain as printed, `#0` last: each was taken while the next was held.

    The function is the first particular one in the stack of the link.
    """
    found = []
    for stack in event.stacks:
        named = _LINK.match(stack.name)
        if named is not None:
            frame = particular(stack.frames)
            line = frame.line if frame is not None else stack.frames[0].line if stack.frames else event.line
            function = plain_name(frame.function or "") if frame is not None else None
            found.append(Lock(line, named["name"], function, number=int(named["number"])))
    return tuple(found)


def in_function(lock: Lock) -> str:
    """Write ` in FUNCTION` where it is known who takes the lock."""
    return f" in {lock.function}" if lock.function else ""
