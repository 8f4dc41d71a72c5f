# SPDX-License-Identifier: GPL-2.0-or-later
"""
ODEBUG: a timer, a work item or an RCU head was used against its life cycle.

    ODEBUG: free active (active state 0) object: ffff888012345000 object type: timer_list hint: tick+0x0/0x40
    WARNING: CPU: 0 PID: 101 at lib/debugobjects.c:517 debug_print_object+0x166/0x220

Source: lib/debugobjects.c, debug_print_object().
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from keepsane.judge import rule
from keepsane.kernel.events.warning.warning import HEAD as HEAD_OF_WARNING
from keepsane.kernel.events.warning.warning import Warning as KernelWarning
from keepsane.kernel.log.block import Block, Opening, build, titled
from keepsane.kernel.log.culprit import culprit
from keepsane.kernel.log.quote import quote_match, some
from keepsane.report import Advice, Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectWarning(KernelWarning):
    """
    An object was used in a state that forbids it.

    `operation` is what was tried ("free", "activate", "init"), `state` the object's state and `object_type`
    what it is ("timer_list", "work_struct", "rcu_head"). `hint` is the object's function.
    """

    operation: str
    state: str
    object_type: str
    hint: str | None = None


HEAD = re.compile(
    r"ODEBUG: (?P<operation>\w{1,40}) (?P<state>[\w ]{1,40}?) \(active state \d{1,20}\)(?: object: "
    r"\S{1,20})? object type: (?P<object_type>\S{1,64})"
    r"(?: hint:\s+(?P<hint>[A-Za-z_][\w.]{1,255}))?"
)
WARNING = re.compile(r"(?=.{0,120}lib/debugobjects\.c:\d)" + HEAD_OF_WARNING.pattern)


def parse_odebug(block: Block) -> ObjectWarning | None:
    """
    Read a warning of lib/debugobjects.c; the function named is the one that used the object.

    Accepted format:
        ODEBUG: activate active (active state 1) object type: rcu_head hint: 0x0
    """
    said = block.find(HEAD)
    if said is None:
        return None
    what = f"ODEBUG: {said['operation']} {said['state']} {said['object_type']}"
    title, message = titled(what, culprit(block.body)), said[0].strip()
    return build(
        ObjectWarning,
        block,
        "warning",
        title,
        said,
        needs_end=True,
        message=message,
        file=None,  # the check's own: who used the object is elsewhere
        source_line=None,
    )


OPENINGS = (
    Opening("odebug", HEAD, parse_odebug, rank=3, detail_of=frozenset({"odebug-warning"})),
    Opening("odebug-warning", WARNING, parse_odebug, own=HEAD),
)


_THINGS = {
    "timer_list": ("a timer", "del_timer_sync() (timer_shutdown_sync() since 6.2)"),
    "hrtimer": ("a high-resolution timer", "hrtimer_cancel()"),
    "work_struct": ("a work item", "cancel_work_sync()"),
    "rcu_head": ("an RCU callback", "rcu_barrier()"),
    "percpu_counter": ("a per-CPU counter", "percpu_counter_destroy()"),
    "completion": ("a completion", "wait_for_completion()"),
}
"""Types of objects, and what ends their use: kernel/time/timer.c, kernel/workqueue.c, kernel/rcu/update.c."""
_DELAYED = "delayed_work_timer_fn"


@rule("object-in-wrong-state", on=ObjectWarning)
def object_in_wrong_state(event: ObjectWarning) -> Iterator[Finding]:
    """
    A timer, a work item or an RCU head was freed, armed or set up anew at a wrong moment of its life.

    What it means: `free active` is memory that is released while a timer in it is still armed, or a work
    still queued: it will run in freed memory. `activate active` and `init active` use a thing a second time
    while it is still in use (`call_rcu()` twice on one object). `not available` is one that nobody set up.

    How we know: debugobjects keeps the state of each such object and prints what was tried in which state,
    the type, and as a hint the object's own function.

    What to do: cancel it before the release, and see that nobody arms it again afterwards. For a thing used
    twice find who holds it the first time.

    When it is wrong: an object on the stack, or one whose memory was copied, has a state that nobody wrote.
    """
    thing, ends = _THINGS.get(event.object_type, (f"an object of type {event.object_type}", ""))
    if event.hint == _DELAYED:
        thing, ends = "the timer of a delayed work item", "cancel_delayed_work_sync()"
    runs = f" that runs {event.hint}" if event.hint and event.hint not in ("0x0", _DELAYED) else ""
    title, why = _life(event.operation, event.state, f"{thing}{runs}")
    cancel = event.operation in ("free", "init") and ends and event.object_type != "percpu_counter"
    yield Finding(
        severity="error",
        confidence="high",
        title=title,
        evidence=some(quote_match(event, HEAD, "what was tried, in which state")),
        explanation=why,
        advice=(Advice(text=f"end its use before: {ends}, and see who may start it again"),)
        if cancel
        else (),
        references=("lib/debugobjects.c, debug_print_object()",),
    )


def _life(operation: str, state: str, thing: str) -> tuple[str, str]:
    if operation == "free" and state == "active":
        return f"memory was freed while {thing} in it was in use", "It will still run, in freed memory."
    if state == "active":
        return (
            f"{thing} was used a second time ({operation}) while in use",
            "Its first use is lost or broken.",
        )
    if state == "not available":
        return (
            f"{thing} was used ({operation}) that nobody had set up",
            "It is not initialised, or freed already.",
        )
    return f"{thing} was used ({operation}) in the state '{state}'", "Its life cycle does not allow that."
