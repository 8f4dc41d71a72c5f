# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which function a title names: the first frame that is neither the reporting path nor a general helper.

The order of the log is kept: the executing function first, then the stack. A frame with a question mark
never names an event. The lists hold machinery whose presence says nothing about the cause; they are a
convention for titles, and every frame stays in the report.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import dropwhile

from keepsane.kernel.log.body import Body
from keepsane.kernel.log.demangle import demangled
from keepsane.kernel.log.machinery import (
    CALL_ENTRIES,
    CROSS_CALLS,
    ENTRIES,
    HELPERS,
    INTERRUPT_ENTRIES,
    NAMED_WAITS,
    REPORTING,
    TICKS,
    WAITS,
    Names,
)
from keepsane.model import Event, Frame, Stack

_CLONE = re.compile(r"\.(?:isra|constprop|part|cold|llvm|lto_priv|str)(?:\.\d{1,20}+){0,8}$")


def plain_name(function: str) -> str:
    """Take the compiler's clone suffixes off, and Rust's mangling: `do_null.constprop.0` is `do_null`."""
    while (plain := _CLONE.sub("", function)) != function:
        function = plain
    return demangled(function)


def names(frames: Iterable[Frame]) -> list[str]:
    """Give the plain names of the frames that are confirmed or were executing, innermost first."""
    return [name for name, _ in _named(frames)]


def _named(frames: Iterable[Frame]) -> list[tuple[str, Frame]]:
    certain = (frame for frame in frames if frame.reliable or frame.role == "ip")
    return [(plain_name(frame.function), frame) for frame in certain if frame.function]


def first_beyond(functions: Iterable[str], *skips: Names) -> str | None:
    """Name the first function that no list passes over."""
    return next((name for name in functions if not any(name in skip for skip in skips)), None)


def traces(stacks: Iterable[Stack]) -> tuple[Stack, ...]:
    """Give the call traces among the stacks of a report; all of them where none is called one."""
    every = tuple(stacks)
    return tuple(stack for stack in every if stack.name == "Call Trace") or every


def culprit(body: Body, *, stacks: Iterable[Stack] | None = None, ip: bool = True) -> str | None:
    """
    Name the function a title should carry, None where no frame qualifies.

    `ip` says whether the executing function counts. Where every frame is machinery, the outermost is named.
    """
    return _name(_chosen(body.stacks if stacks is None else stacks, body.ip if ip else None))


def culprit_of(event: Event) -> str | None:
    """Name the function a finding about a whole event should carry: the one of its title."""
    return _name(culprit_frame(event))


def culprit_frame(event: Event) -> Frame | None:
    """Give the frame of the function that a finding about a whole event names."""
    return _chosen(event.stacks, event.ip)


def where(event: Event) -> str:
    """Give " in FUNCTION" for a finding about a whole event, "" where no function is known."""
    function = culprit_of(event)
    return f" in {function}" if function else ""


def _name(frame: Frame | None) -> str | None:
    return plain_name(frame.function) if frame is not None and frame.function else None


def _chosen(stacks: Iterable[Stack], ip: Frame | None) -> Frame | None:
    called = [frame for stack in traces(stacks) for frame in stack.frames]
    named = _named(called if ip is None else [ip, *called])
    for skips in ((REPORTING, HELPERS, ENTRIES), (REPORTING, ENTRIES), (REPORTING,)):
        for name, frame in named:
            if not any(name in skip for skip in skips):
                return frame
    return named[-1][1] if len(named) > 1 else None


def is_machinery(function: str) -> bool:
    """Tell whether a function only reports or helps, so that a title names its caller."""
    return function in REPORTING or function in HELPERS


def waits_in(frames: Iterable[Frame]) -> str | None:
    """
    Name what a blocked task waits for: the first function beyond scheduling, locking and waiting.

    A wait that is known by its own name (rtnl_lock, synchronize_rcu) is named itself.
    """
    functions = names(frames)
    known = first_beyond(functions, WAITS)
    named = next((name for name in functions if name in NAMED_WAITS), None)
    return named or (known if known and known not in ENTRIES else None)


def runs_in(frames: Sequence[Frame]) -> str | None:
    """
    Name the call that keeps a CPU busy: what a system call, an interrupt or a thread entered.

    A loop spans many functions and a sample shows a random one of them, so the outermost function that is
    particular to the call names the stall. The interrupt that only took the sample is passed over.
    """
    functions = _interrupted(names(frames))
    waits = next((name for name in functions if name in CROSS_CALLS), None)
    if waits is not None:
        return waits
    for outer, inner in zip(functions[1:], functions, strict=False):
        if outer in CALL_ENTRIES and inner not in CALL_ENTRIES and inner not in REPORTING:
            return inner
    return None


def stalled(frames: Sequence[Frame]) -> str:
    """Say where a CPU is stuck, for a title: ` at do_softlockup in proc_reg_write`."""
    outer = runs_in(frames)
    inner = first_beyond(_interrupted(names(frames)), REPORTING, HELPERS, ENTRIES, INTERRUPT_ENTRIES, TICKS)
    if outer is None or outer == inner:
        return f" in {inner}" if inner else ""
    return f" at {inner} in {outer}" if inner else f" in {outer}"


def _interrupted(functions: list[str]) -> list[str]:
    """Cut off the tick or NMI that printed the stack, up to the entry it came in by."""
    sampled = next((at for at, name in enumerate(functions) if name in TICKS), None)
    if sampled is None:
        return functions
    entry = next(
        (at for at, name in enumerate(functions) if at > sampled and name in INTERRUPT_ENTRIES), None
    )
    return functions if entry is None else list(dropwhile(INTERRUPT_ENTRIES.__contains__, functions[entry:]))


def accused(head: re.Match[str], body: Body) -> str | None:
    """
    Name the function a sanitizer's headline names, or its caller where that is a general helper.

    `head` is the headline's match: `function` in it has an offset behind it, `bare` has none.
    """
    function = head["function"] or head["bare"]
    function = None if function == "(null)" else function
    if function and not is_machinery(function):
        return plain_name(function)
    return culprit(body, stacks=body.stacks[:1], ip=False) or (plain_name(function) if function else None)
