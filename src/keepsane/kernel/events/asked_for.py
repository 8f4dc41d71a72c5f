# SPDX-License-Identifier: GPL-2.0-or-later
"""Stacks that somebody asked for: nothing is broken."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import rule
from keepsane.kernel.log.culprit import plain_name
from keepsane.kernel.log.quote import quote_frame, quote_head, some
from keepsane.model import Event, Frame
from keepsane.report import Finding

_ORDERS = re.compile(r"sysrq_handle_(?P<order>\w{1,40})$")
_WORDS = {
    "showallcpus": "SysRq l, the stacks of all CPUs",
    "showstate": "SysRq t, the state of all tasks",
    "showstate_blocked": "SysRq w, the blocked tasks",
    "showregs": "SysRq p, the registers",
    "showmem": "SysRq m, the memory",
    "show_timers": "SysRq q, the timers",
    "showlocks": "SysRq d, the locks held",
}


@rule("stacks-asked-for", on=Event)
def stacks_asked_for(event: Event) -> Iterator[Finding]:
    """
    Somebody asked the kernel for these stacks: SysRq.

    What it means: nothing went wrong at this moment. The stacks are what was asked for, mostly because
    something else was slow or stuck.

    How we know: the function that carries out the order is in the trace.

    What to do: read them for what the CPUs or tasks were doing; a task that stands at the same place in
    several of them is stuck there.

    When it is wrong: a break on a noisy serial line can order it as well.
    """
    if event.kind not in ("backtrace", "task-dump"):
        return
    frame = next((one for stack in event.stacks for one in stack.frames if _order(one)), None)
    if frame is None:
        return
    yield Finding(
        severity="info",
        confidence="high",
        title=f"these stacks were asked for: {_order(frame)}",
        evidence=some(quote_frame(event, frame, "who carries out the order") or quote_head(event)),
        explanation="Nothing went wrong here: the kernel printed what it was asked for.",
        references=("Documentation/admin-guide/sysrq.rst",),
    )


def _order(frame: Frame) -> str | None:
    found = _ORDERS.match(plain_name(frame.function or "")) if frame.reliable else None
    return _WORDS.get(found["order"]) if found else None
