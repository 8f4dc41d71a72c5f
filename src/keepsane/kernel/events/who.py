# SPDX-License-Identifier: GPL-2.0-or-later
"""
Who did what, for the sentences of rules: the function that a stack is about, its task, and its line.

    Freed by task 101:
     kfree+0xe8/0x3f0
     drop_widget+0x29/0x40 [crashme]              said as "drop_widget (task 101)"
    Freed in drop_widget+0x29/0x40 age=1 cpu=1 pid=101
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from keepsane.kernel.log.culprit import first_beyond, names, plain_name
from keepsane.kernel.log.function_names import Names
from keepsane.kernel.log.machinery import ALLOCATORS, ENTRIES, HELPERS, REPORTING
from keepsane.kernel.log.quote import quote, quote_line
from keepsane.model import Event, Frame, Stack
from keepsane.report import Evidence

ALLOCATED = re.compile(r"(?:INFO: )?[Aa]llocated (?:by|in)\b|Allocated$|Uninit was created at")
FREED = re.compile(r"(?:INFO: )?[Ff]reed (?:by|in)\b|Freed$")
QUEUED = re.compile(r"Last (?:potentially related work creation|call_rcu\(\))")
"""Names of the stacks that tell who had an object before, and who ordered its release."""

_RCU = Names("rcu_(core|do_batch|process_callbacks|cblist|nocb)* k(v)?free_rcu_* srcu_invoke_callbacks")
"""They free what others ordered to be freed."""
_ORDERED = Names("rcu_(core|do_batch|process_callbacks)* k(v)?free_rcu_*")
_PID = re.compile(r"\btask (?P<pid>\d{1,10})\b")
_TRACK = re.compile(r"(?:INFO: )?(?:Allocated|Freed) in (?P<function>[A-Za-z_][\w.]{1,255})")


class Doer(NamedTuple):
    """
    The function that a stack is about, the number of its task, and the line to quote.

    `pid` is None where the stack does not name the task, `quoted` where the line is not in the report.
    """

    function: str
    pid: int | None
    quoted: Evidence | None

    def __str__(self) -> str:
        """Write the function and, where it is known, its task: `drop_widget (task 101)`."""
        return self.function if self.pid is None else f"{self.function} (task {self.pid})"


def particular(frames: Iterable[Frame]) -> Frame | None:
    """
    Give the first frame that is the work of somebody in particular: no helper, no allocator, no report.

    None where every frame is such.
    """
    certain = [frame for frame in frames if frame.function and frame.reliable]
    passed = [frame for frame in certain if frame.module is None]
    function = first_beyond(names(passed), REPORTING, HELPERS, ENTRIES, ALLOCATORS, _RCU)
    # A module's own functions are somebody's in particular, whatever they are called.
    return next((one for one in certain if one.module or plain_name(one.function or "") == function), None)


def put_off(event: Event, name: re.Pattern[str]) -> bool:
    """Tell whether RCU did what the stack of that name shows, because somebody else had ordered it."""
    stack = named_stack(event, name)
    frames = stack.frames if stack is not None else ()
    return any(plain_name(one.function or "") in _ORDERED for one in frames if one.function)


def named_stack(event: Event, name: re.Pattern[str]) -> Stack | None:
    """Give the first stack of a report whose name begins so, None where there is none."""
    return next((stack for stack in event.stacks if name.match(stack.name)), None)


def doer(event: Event, name: re.Pattern[str], note: str) -> Doer | None:
    """
    Say whose stack of the given name it is; None where the report has none, or only helpers in it.

    `note` goes with the line that is quoted.
    """
    stack = named_stack(event, name)
    if stack is None:
        return None
    said, tracked = _PID.search(stack.name), _TRACK.match(stack.name)
    pid = int(said["pid"]) if said else None
    frame = particular(stack.frames)
    by_rcu = next((one for one in stack.frames if plain_name(one.function or "") in _RCU), None)
    if frame is None and by_rcu is not None:
        return Doer("RCU", None, quote_line(event, by_rcu.line, note))
    if frame is not None:
        return Doer(plain_name(frame.function or ""), pid, quote_line(event, frame.line, note))
    if tracked is not None:
        return Doer(
            plain_name(tracked["function"]), pid, quote(event, re.compile(re.escape(stack.name)), note)
        )
    return None


def lines(*doers: Doer | None) -> tuple[Evidence, ...]:
    """Give the lines of those doers that are known and whose line could be quoted."""
    return tuple(one.quoted for one in doers if one is not None and one.quoted is not None)
