# SPDX-License-Identifier: GPL-2.0-or-later
"""By which way the kernel came to a check or a crash: a system call, a work item, a timer, an interrupt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from keepsane.judge import rule
from keepsane.kernel.events.rcu import RcuStall
from keepsane.kernel.events.rcu_ticks import without_ticks
from keepsane.kernel.events.warning.debugobjects import ObjectWarning
from keepsane.kernel.events.warning.families import asks_for_too_much
from keepsane.kernel.events.warning.warning import Warning as KernelWarning
from keepsane.kernel.events.watchdog.stuck import stuck_frames
from keepsane.kernel.events.who import ALLOCATED, FREED, named_stack
from keepsane.kernel.log.culprit import culprit_frame, is_machinery, plain_name
from keepsane.kernel.log.function_names import Names
from keepsane.kernel.log.machinery import INTERRUPT_ENTRIES, SYSTEM_CALLS
from keepsane.kernel.log.quote import first_stack, quote_frame, quote_head, some
from keepsane.model import Event, Frame, Kind
from keepsane.report import Advice, Evidence, Finding

_ASKED: frozenset[Kind] = frozenset(
    {
        "warning",
        "bug",
        "general-protection",
        "page-fault",
        "divide-error",
        "invalid-opcode",
        "x86-trap",
        "ubsan",
        "list-corruption",
        "refcount",
        "rcu-stall",
        "soft-lockup",
        "hard-lockup",
        "kasan",
        "bus-error",
        "alignment",
        "bad-mode",
        "machine-check",
        "rust-panic",
        "cfi",
        "double-fault",
    }
)
"""Kinds whose title names a place and nothing that tells how the kernel came there."""


class Way(NamedTuple):
    """How the kernel came in: in words, the frame that shows it, why it came, what to do."""

    words: str
    frame: Frame
    why: str
    step: str


class Caller(NamedTuple):
    """Who calls whatever it is given, maybe in a softirq: what its callee is, why it ran, what to do."""

    name: Names
    words: str
    why: str
    step: str
    in_softirq: bool = False


_CALL = re.compile(
    r"(?:__(?:x64|arm64|ia32|riscv|loongarch|s390x?|do|se|x32)_(?:compat_)?sys_|(?:compat_)?S[yY]SC?_)(?P<name>\w+)$"
)
"""A system call by the name that only system calls have; `sys_fillrect` is none."""
_SHORT = re.compile(r"(?:_{0,3}sys|ksys|compat_sys)_(?P<name>\w+)$")
"""A name that a system call may have: its caller tells."""
_EARLIER = "Somebody handed it over earlier; the task shown only ran it."
_BY_ITSELF = "It came by itself: the task shown was only interrupted."
_CALLERS = (
    Caller(
        Names("process_(one_work|scheduled_works)"),
        "the work item {}",
        _EARLIER,
        "find who queues {}",
    ),
    Caller(
        Names("async_run_entry_fn"),
        "the asynchronous call {}",
        _EARLIER,
        "find who hands {} to async_schedule()",
    ),
    Caller(
        Names("call_timer_fn expire_timers run_timers hrtimer_run_queues"),
        "the timer {}",
        _BY_ITSELF,
        "find who arms {}, and who should have stopped it",
        in_softirq=True,
    ),
    Caller(
        Names("rcu_(do_batch|process_callbacks|core)"),
        "the RCU callback {}",
        _EARLIER,
        "find who hands {} to call_rcu()",
    ),
    Caller(
        Names("tasklet_action(_common)?"),
        "the tasklet {}",
        _BY_ITSELF,
        "find who schedules {}",
        in_softirq=True,
    ),
    Caller(
        Names("handle_irq_event_percpu"),
        "the interrupt handler {}",
        _BY_ITSELF,
        "see which device the handler {} belongs to",
    ),
    Caller(
        Names("do_softirq handle_softirqs"),
        "the softirq {}",
        _BY_ITSELF,
        "see what {} was serving: a packet, a timer, a finished request",
        in_softirq=True,
    ),
    Caller(
        Names("do_one_initcall"),
        "the start of a driver or module, {}",
        "It runs once, when the module is loaded or the kernel starts.",
        "see whether it comes without it",
    ),
    Caller(
        Names("fput"),
        "the last close of a file, {}",
        "Who had it open last closed it, or ended.",
        "see which file that was, and what was done with it before",
    ),
    Caller(
        Names("task_work_run"),
        "what the task had put off until it returns to user space, {}",
        "The task ordered it itself, in the system call that it is about to leave.",
        "see what orders {}: closing a file, unmounting, a performance event",
    ),
    Caller(
        Names("kthread"),
        "the kernel thread {}",
        "It is the thread's own work; no program asked for it at this moment.",
        "see what the thread {} works on",
    ),
)
_NO_CALLEE = frozenset({"worker_thread", "smpboot_thread_fn", "rescuer_thread", "kthread_worker_fn"})


def way_into(event: Event) -> Way | None:
    """
    Find how the kernel came to where it is: the innermost caller that calls everybody.

    None where the trace does not show it, or an interrupt came in between that it does not tell of.
    """
    stack = first_stack(event)
    whole = stuck_frames(event) or (stack.frames if stack else ())
    frames = [frame for frame in whole if frame.reliable and frame.function]
    functions = [plain_name(frame.function or "") for frame in frames]
    for place, function in enumerate(functions):
        call = _system_call(functions, place)
        if call is not None:
            return _asked(event, call, frames[place])
        called = _called(functions, place)
        if called is not None and functions[place - 1] not in _NO_CALLEE:
            inner = functions[place - 1]
            why = _why(called, functions[place:])
            return Way(called.words.format(inner), frames[place - 1], why, called.step.format(inner))
        if place and function in INTERRUPT_ENTRIES:
            return None
    return None


def _why(called: Caller, outer: list[str]) -> str:
    """Say why it ran: a softirq may have been let in by the task itself, or be left to ksoftirqd."""
    if not called.in_softirq:
        return called.why
    ran = (why for name in outer for functions, why in _LETS_IN if name in functions)
    return next(ran, called.why)


_BY_THE_TASK = (
    "It ran when the task let softirqs in again: the task may have set it off, or only happened to be there."
)
_LETS_IN = (
    (Names("local_bh_enable*"), _BY_THE_TASK),
    (Names("run_ksoftirqd"), "Somebody raised it earlier; ksoftirqd only ran it."),
    (Names("irq_exit(_rcu)?"), _BY_ITSELF),
)
"""Who runs softirqs (kernel/softirq.c): the innermost of them tells why they ran."""


def _called(functions: list[str], place: int) -> Caller | None:
    if place == 0 or is_machinery(functions[place - 1]):
        return None
    return next((caller for caller in _CALLERS if functions[place] in caller.name), None)


def _asked(event: Event, call: str, frame: Frame) -> Way:
    who = _task(event)
    return Way(
        f"the system call {call}(2)" + (f" of {who}" if who else ""),
        frame,
        f"{who or 'A task'} asked for it: with the same arguments it may come again.",
        f"to make it happen again, see what {who or 'the task'} passes to {call}(2)",
    )


def _system_call(functions: list[str], place: int) -> str | None:
    sure, maybe = _CALL.match(functions[place]), _SHORT.match(functions[place])
    if sure is not None:
        return sure["name"]
    if maybe is None or place + 1 == len(functions):
        return None
    outer = functions[place + 1]
    return maybe["name"] if outer in SYSTEM_CALLS or _CALL.match(outer) else None


@rule("way-into-the-code", on=Event)
def way_into_the_code(event: Event) -> Iterator[Finding]:
    """
    How the kernel came to the place of the report: which system call, work item, timer or interrupt.

    What it means: this is what set off the report. A system call was asked for by the task that is named, and
    can be asked for again; a work item, a timer and a callback were handed over earlier by somebody else, and
    the task named has nothing to do with them.

    How we know: the frames of the trace lead from the place outwards. The first of them that calls whatever
    it is given (the worker, the timer code, the system call's entry) shows what it was given.

    What to do: for a system call see with which arguments the task makes it; that is the way to make it
    happen again. For all others look for who handed the function over, and whether it should have been
    cancelled. Nothing is said of a CPU that took no timer ticks before it was found stalled: its trace is of
    what ran at that moment.

    When it is wrong: frames with a question mark are passed over, and an old kernel has nothing else. Which
    system call it was says nothing about what an earlier one left behind.
    """
    told = event.kind == "kasan" and (named_stack(event, ALLOCATED) or named_stack(event, FREED))
    late = isinstance(event, RcuStall) and without_ticks(event) is not None
    way = way_into(event) if event.kind in _ASKED and not told and not late else None
    if way is None:
        return
    yield Finding(
        severity="note",
        confidence="high",
        title=f"reached by {way.words}",
        evidence=some(quote_frame(event, way.frame, "the way in") or quote_head(event)),
        explanation=way.why,
        advice=(Advice(text=way.step),),
    )


def _task(event: Event) -> str:
    task = event.task
    if task is None or not task.comm:
        return ""
    return task.comm if task.pid is None else f"{task.comm} (pid {task.pid})"


@rule("check-in-general-helper", on=KernelWarning)
def check_in_general_helper(event: KernelWarning) -> Iterator[Finding]:
    """
    The check that failed belongs to a general helper; its caller gave it something wrong.

    What it means: the file and line of the warning are those of the helper (a list, a reference count, the
    allocator, the device core), which is used everywhere and seldom at fault. What it objected to came from
    the function that called it.

    How we know: the function that was executing is one of those that everybody uses, and the first function
    beyond such helpers in the trace is the caller that the title names.

    What to do: read the condition at the file and line of the warning; then look in the caller for what
    breaks it.

    When it is wrong: the caller may only pass on what it was given itself.
    """
    if isinstance(event, ObjectWarning) or asks_for_too_much(event):
        return  # they have rules of their own, which say more
    helper, caller = event.ip, culprit_frame(event)
    if helper is None or not helper.function or not is_machinery(helper.function, helper.module):
        return
    name = plain_name(caller.function) if caller is not None and caller.function else None
    if caller is None or name is None or name == plain_name(helper.function) or _sanitizer(event, caller):
        return
    at = f" at {event.file}:{event.source_line}" if event.file else ""
    yield Finding(
        severity="note",
        confidence="medium",
        title=f"{plain_name(helper.function)} only checks{at}; {name} is who called it",
        evidence=_lines(event, helper, caller),
        explanation=f"{plain_name(helper.function)} is used everywhere: what it objects to is its caller's.",
        advice=(Advice(text=f"read the condition{at}, and see in {name} what breaks it"),),
    )


def _sanitizer(event: Event, caller: Frame) -> bool:
    """Tell whether a sanitizer stands between: what it works on is not what its caller gave it."""
    stack = first_stack(event)
    inner = [frame for frame in stack.frames if frame.line <= caller.line] if stack else []
    named = [event.ip, *inner] if event.ip is not None else inner
    return any(plain_name(frame.function or "") in _SANITIZERS for frame in named)


_SANITIZERS = Names("(kasan|kmsan|msan|asan|hwasan|kcsan|tsan|kfence|ubsan|lockdep|stack_depot)_*")


def _lines(event: Event, helper: Frame, caller: Frame) -> tuple[Evidence, ...]:
    return some(
        quote_frame(event, helper, "the check") or quote_head(event), quote_frame(event, caller, "its caller")
    )
