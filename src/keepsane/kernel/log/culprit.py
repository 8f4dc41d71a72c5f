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
from dataclasses import replace

from keepsane.kernel.log.body import Body
from keepsane.kernel.log.demangle import demangled
from keepsane.kernel.log.function_names import Names, Own
from keepsane.kernel.log.machinery import (
    ACCUSERS,
    CALL_ENTRIES,
    CROSS_CALLS,
    ENTRIES,
    FAULT_ENTRIES,
    HELPERS,
    INTERRUPT_ENTRIES,
    IRQ_EXITS,
    LIBRARIES,
    NAMED_WAITS,
    PLAIN_WAITS,
    REPORTING,
    RETURN_PLACES,
    SCHEDULER,
    SYSTEM_CALLS,
    TICKS,
    WAITS,
)
from keepsane.model import Event, Frame, Stack

_CLONE = re.compile(r"\.(?:isra|constprop|part|cold|llvm|lto_priv|str)(?:\.\d{1,20}+){0,8}$")

_OF_ACCESS = re.compile(r"Use-after-free|Out-of-bounds|Corrupted memory|Invalid (?:read|write|free)")
"""Names that KFENCE gives the stack of its headline."""
_OF_MEMORY = re.compile(r"[Aa]llocated|[Ff]reed|Last|Uninit|Local|The buggy|addr ")
"""Names of the stacks that tell a sanitizer's object, not its access."""


def plain_name(function: str) -> str:
    """Take off the compiler's clone suffixes, Rust's mangling, and the dot of a powerpc function's code."""
    function = function.lstrip(".")
    while (plain := _CLONE.sub("", function)) != function:
        function = plain
    return demangled(function)


def names(frames: Iterable[Frame]) -> list[str]:
    """Give the plain names of the frames that are confirmed or were executing, innermost first."""
    return [name for name, _ in _named(frames)]


def _named(frames: Iterable[Frame]) -> list[tuple[str, Frame]]:
    certain = (frame for frame in frames if frame.reliable or frame.role == "ip")
    return [
        (own_name(frame.function, frame.module), frame)
        for frame in certain
        if frame.function and _neighbour(frame) is None
    ]


def _neighbour(frame: Frame) -> str | None:
    """
    Say where the code really is if the symbol printed is only the nearest: before it or behind it.

    A call that does not return may be a function's last instruction; it returns to what follows in memory.
    """
    at_end = frame.offset_bytes == frame.size_bytes
    if frame.role == "ip":
        return "behind" if at_end and frame.offset_bytes else None
    placed = frame.function is None or plain_name(frame.function) in RETURN_PLACES
    return "before" if frame.offset_bytes == 0 and frame.role == "return" and not placed else None


def own_name(function: str, module: str | None) -> str:
    """Give the plain name, of a module's function as one that no star stands for."""
    name = plain_name(function)
    return Own(name) if module else name


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

    `ip` says whether the executing function counts. Where every frame of a whole stack is machinery, the
    outermost is named.
    """
    return _name(_chosen(body.stacks if stacks is None else stacks, body.ip if ip else None))


def beyond(stacks: Iterable[Stack], inner: frozenset[str]) -> tuple[Stack, ...]:
    """Cut off each stack what stands inside of the outermost frame that is one of `inner`."""
    return tuple(replace(stack, frames=_outside(stack.frames, inner)) for stack in stacks)


def _outside(frames: tuple[Frame, ...], inner: frozenset[str]) -> tuple[Frame, ...]:
    held = [place for place, frame in enumerate(frames) if plain_name(frame.function or "") in inner]
    return frames[max(held) + 1 :] if held else frames


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
    if frame is None or not frame.function:
        return None
    name, near = plain_name(frame.function), _neighbour(frame)
    return f"the function {near} {name}" if near else name


def _chosen(stacks: Iterable[Stack], ip: Frame | None) -> Frame | None:
    called = [frame for stack in traces(stacks) for frame in stack.frames]
    frames = called if ip is None else [ip, *called]
    named = _named(frames)
    unknown = _unknown(frames)
    if unknown is not None:
        return unknown
    if ip is not None and ip.function and plain_name(ip.function) in SCHEDULER:
        return ip  # it works on every task's data: who called it has nothing to do with its crash
    found = _first(named, REPORTING, HELPERS, ENTRIES)
    if found is not None or _is_whole(called):
        outermost = named[-1][1] if len(named) > 1 else None
        return found or _first(named, REPORTING, ENTRIES) or _first(named, REPORTING) or outermost
    return _first([(name, frame) for name, frame in named if frame is ip], REPORTING)


def _first(named: Iterable[tuple[str, Frame]], *skips: Names) -> Frame | None:
    return next((frame for name, frame in named if not any(name in skip for skip in skips)), None)


def _is_whole(called: Sequence[Frame]) -> bool:
    """
    Tell whether nobody else can stand outside of these frames.

    Where a log is cut inside the helpers, who called them is lost: then only what was executing is named.
    """
    return not called or any(plain_name(frame.function or "") in ENTRIES for frame in called)


def _unknown(frames: Sequence[Frame]) -> Frame | None:
    """Give the frame that would be named but has no known name: beyond all that only reports, the first."""
    certain = [frame for frame in frames if frame.function and (frame.reliable or frame.role == "ip")]
    reports = [at for at, frame in enumerate(certain) if plain_name(frame.function or "") in REPORTING]
    first = certain[reports[-1] + 1 if reports else 0 :][:1]
    return next((frame for frame in first if _neighbour(frame) is not None), None)


def is_machinery(function: str, module: str | None = None) -> bool:
    """Tell whether a function only reports or helps, so that a title names its caller."""
    name = own_name(function, module)
    return name in REPORTING or name in HELPERS


def only_reports(frame: Frame) -> bool:
    """Tell whether a frame is of the path that found, checked and printed, which has no part in the cause."""
    return frame.function is not None and own_name(frame.function, frame.module) in REPORTING


def only_samples(frame: Frame) -> bool:
    """Tell whether a frame is of that path or of the interrupt by which a busy CPU was looked at."""
    if frame.function is None:
        return False
    name = plain_name(frame.function)
    return only_reports(frame) or name in TICKS or name in INTERRUPT_ENTRIES


def waits_in(frames: Iterable[Frame]) -> str | None:
    """
    Name what a blocked task waits for: the first function beyond scheduling, locking and waiting.

    A wait that is known by its own name (rtnl_lock, synchronize_rcu) is named itself.
    """
    functions = names(frames)
    switch = next((at for at, name in enumerate(functions) if name in SCHEDULER), 0)
    functions = functions[switch:]  # what is printed inside of the switch is left from earlier calls
    known = first_beyond(functions, WAITS)
    if known is None or known in ENTRIES:
        known = first_beyond(functions, PLAIN_WAITS)  # nothing but waits: the one that only its name tells
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
    functions = _without_nested_faults(functions)
    for outer, inner in zip(functions[1:], functions, strict=False):
        if outer in CALL_ENTRIES and inner not in CALL_ENTRIES and inner not in REPORTING:
            return inner
    return None


def _without_nested_faults(functions: list[str]) -> list[str]:
    """Leave out the fault that a copy to or from user space took: it is a part of the call that copies."""
    faults = [at for at, name in enumerate(functions) if name in FAULT_ENTRIES]
    nested = [at for at in faults if any(name in SYSTEM_CALLS for name in functions[at + 1 :])]
    return functions[nested[-1] + 1 :] if nested else functions


def stalled(frames: Sequence[Frame]) -> str:
    """Say where a CPU is stuck, for a title: ` at do_softlockup in proc_reg_write`."""
    outer = runs_in(frames)
    functions = _interrupted(names(frames))
    inner = first_beyond(functions, REPORTING, HELPERS, ENTRIES, INTERRUPT_ENTRIES, TICKS)
    if inner is None and executing(names(frames)).stop is not None:
        inner = first_beyond(functions, REPORTING, TICKS, INTERRUPT_ENTRIES)  # its own machinery keeps it
    if outer is None or outer == inner:
        return f" in {inner}" if inner else ""
    return f" at {inner} in {outer}" if inner else f" in {outer}"


def _interrupted(functions: list[str]) -> list[str]:
    return functions[executing(functions)]


_PREEMPTION = "preempt_schedule_irq"


def executing(functions: Sequence[str]) -> slice:
    """
    Give where in a sampled stack the functions stand that the CPU executes.

    The tick or NMI that printed the stack is none of them, up to the entry it came in by; nor is what another
    interrupt interrupted, which stands outside of that one's entry. Where the way out of an interrupt only
    gave the CPU away, the task is what was executed.
    """
    sampled = next((at for at, name in enumerate(functions) if name in TICKS), None)
    begin = 0 if sampled is None else _entry(functions, sampled) or 0
    while begin < len(functions) and sampled is not None and functions[begin] in INTERRUPT_ENTRIES:
        begin += 1
    entry = _entry(functions, begin + 1)
    if entry is None:  # other machines' entries have no names of their own here, their way out has
        left = next((at for at in range(begin, len(functions)) if functions[at] in IRQ_EXITS), None)
        entry = None if left is None or (begin == 0 and sampled is not None) else left + 1
    return slice(begin, None if _PREEMPTION in functions[begin:entry] else entry)


def _entry(functions: Sequence[str], begin: int) -> int | None:
    """Give where the next interrupt came in, None where none is in sight."""
    return next((at for at in range(begin, len(functions)) if functions[at] in INTERRUPT_ENTRIES), None)


def accused(head: re.Match[str], body: Body) -> str | None:
    """
    Name the function a sanitizer's headline names, or its caller where that is a general helper.

    `head` is the headline's match: `function` in it has an offset behind it, `bare` has none.
    """
    function = _headline(head)
    if function and not _helps(function, head):
        return function
    stack = own_stack(head, body)
    caller = culprit(body, stacks=[stack], ip=False) if stack is not None else None
    return caller or function


def _helps(function: str, head: re.Match[str]) -> bool:
    """Tell whether the accused is the kernel's own helper; a name that only begins like one is not."""
    name = Own(function)
    return name in REPORTING or name in HELPERS or (not head["module"] and function in LIBRARIES)


def own_stack(head: re.Match[str], body: Body) -> Stack | None:
    """
    Give the stack that a sanitizer's headline is about, None where there is none.

    It leads through the function of the headline, or through the sanitizer: other stacks in the report are
    another CPU's, or who had the memory before.
    """
    function = _headline(head)
    for stack in body.stacks:
        if _OF_MEMORY.match(stack.name):
            continue
        called = {plain_name(frame.function) for frame in stack.frames if frame.function}
        known = function is None or _OF_ACCESS.match(stack.name) is not None
        if known or function in called or any(name in ACCUSERS for name in called):
            return stack
    return None


def _headline(head: re.Match[str]) -> str | None:
    function = head["function"] or head["bare"]
    return plain_name(function) if function and function != "(null)" else None
