# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a kernel stack was used up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.oops import OVERRAN, Oops
from keepsane.kernel.log.quote import quote, quote_frame, quote_head, some
from keepsane.model import Event, Frame
from keepsane.report import Finding


class Cycle(NamedTuple):
    """Functions that called one another in a circle: which, how often, and where the run begins."""

    functions: tuple[str, ...]
    times: int
    first: Frame


@rule("stack-overflow-by-recursion", on=Oops)
def stack_overflow_by_recursion(
    event: Oops, *, min_times: int = 4, max_period: int = 32
) -> Iterator[Finding]:
    """
    The kernel stack was used up by functions that called themselves in a circle.

    What it means: a kernel stack has 16 KiB on most machines, and each call takes some of it. The same
    functions stand in the trace over and over: a recursion without a limit, or with one too high.

    How we know: the report is a stack overflow, and the same run of functions follows itself at least four
    times in the trace.

    What to do: find what should have ended the recursion: nested devices, symbolic structures that point at
    themselves, an error path that calls its own caller. Bound its depth or make it a loop.

    When it is wrong: the trace may end before the frames that took most of the stack. A recursion of a few
    levels through functions with large local variables is not found by this rule, nor is plain deep nesting.
    """
    if event.kind != "stack-overflow":
        return
    if not event.stacks:
        raise CannotTell("the report of the stack overflow has no call trace")
    cycles = [_cycle(_called(stack.frames), max_period) for stack in event.stacks]
    best = max((cycle for cycle in cycles if cycle), key=_covered, default=None)
    if best is not None and best.times >= min_times:
        yield _finding(event, best)


def _called(frames: Sequence[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame.reliable and frame.function]


def _cycle(frames: Sequence[Frame], max_period: int) -> Cycle | None:
    """Find the run of repeated functions that covers most frames; of equal ones the shortest circle."""
    names = [frame.function or "" for frame in frames]
    found = (cycle for period in range(1, max_period + 1) for cycle in _runs(frames, names, period))
    return max(found, key=_covered, default=None)


def _runs(frames: Sequence[Frame], names: Sequence[str], period: int) -> Iterator[Cycle]:
    start = 0
    for index in range(period, len(names) + 1):
        if index < len(names) and names[index] == names[index - period]:
            continue
        times = (index - start) // period
        if times > 1:
            yield Cycle(tuple(names[start : start + period]), times, frames[start])
        start = index - period + 1


def _covered(cycle: Cycle) -> int:
    return len(cycle.functions) * cycle.times


def _finding(event: Event, cycle: Cycle) -> Finding:
    if len(cycle.functions) == 1:
        title = f"{cycle.functions[0]} called itself {cycle.times} times until the stack was full"
    else:
        title = (
            f"{' <- '.join(cycle.functions)} called one another {cycle.times} times until the stack was full"
        )
    repeated = quote_frame(event, cycle.first, f"the first of {cycle.times} turns")
    return Finding(
        severity="error",
        confidence="high",
        title=title,
        evidence=some(quote_head(event), repeated),
        explanation=f"{_covered(cycle)} frames are {cycle.times} turns of the same circle of calls.",
    )


@rule("stack-end-overwritten", on=Oops)
def stack_end_overwritten(event: Oops) -> Iterator[Finding]:
    """
    The last word of a task's stack is overwritten: the stack was used up, or something wrote into it.

    What it means: the kernel keeps a magic number at the far end of each stack. When this task faulted, it
    was gone. Either calls went so deep that they passed the end, or a stray write hit it.

    How we know: the kernel compares the number while it reports the fault and says `Thread overran stack, or
    stack corrupted`. Which of the two it was it does not know.

    What to do: look for deep nesting or large local variables in the trace (`scripts/checkstack.pl`), and
    switch on CONFIG_VMAP_STACK, which catches an overflow where it happens. If the trace is short, look for
    a write beyond a buffer on the stack or in the memory below it.

    When it is wrong: the trace is read from the damaged stack and may itself be damaged.
    """
    found = quote(event, OVERRAN, "the kernel's own comparison")
    if found is None:
        return
    yield Finding(
        severity="error",
        confidence="medium",
        title="the task's stack was used up, or something else overwrote its end",
        evidence=(found, quote_head(event)),
        explanation="The magic number at the end of the stack is gone; the fault may only follow from that.",
        references=("include/linux/sched/task_stack.h, task_stack_end_corrupted()",),
    )
