# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a stack was printed for, by the function of the kernel that printed it: the headline may be lost.

    watchdog_overflow_callback+0xd5/0xe0        a hard lockup
    __perf_event_overflow+0x7f/0x1c0
    ...
    _raw_spin_lock_irq+0x28/0x30

Frames with a question mark count only inside of the first certain one: there the unwinder has not yet reached
the registers it was given, so they are the way to the report itself.

Source: the functions named, in kernel/watchdog.c, kernel/rcu/tree_stall.h, kernel/panic.c, arch/x86/kernel/
traps.c and dumpstack.c, arch/*/mm/fault.c, mm/page_alloc.c, mm/oom_kill.c, kernel/sched/core.c, mm/kasan/
report.c, lib/ubsan.c, kernel/irq/spurious.c, kernel/exit.c.
"""

from __future__ import annotations

from collections.abc import Iterable

from keepsane.kernel.log.block import titled
from keepsane.kernel.log.body import Body
from keepsane.kernel.log.culprit import beyond, culprit, plain_name, stalled
from keepsane.kernel.log.function_names import Names
from keepsane.model import Frame, Stack

_LOCKUPS = {
    "a hard lockup": Names("watchdog_overflow_callback watchdog_hardlockup_check"),
    "a soft lockup": Names("watchdog_timer_fn softlockup_fn"),
    "an RCU stall": Names("rcu_dump_cpu_stacks print_cpu_stall print_other_cpu_stall"),
}
_REPORTS = {
    "a divide error": Names("exc_divide_error do_divide_error"),
    "a general protection fault": Names("exc_general_protection do_general_protection"),
    "a double fault": Names("exc_double_fault do_double_fault"),
    "a bad page access": Names("page_fault_oops no_context (die|do)_kernel_fault bad_area_nosemaphore"),
    "an oops": Names("oops_end die die_addr"),
    "the end of a task after an oops": Names("rewind_stack_(do_exit|and_make_dead) make_task_dead"),
    "a warning": Names("warn warn_slowpath_(fmt|null|common|fmt_taint)"),
    "a failed allocation of pages": Names("warn_alloc warn_alloc_failed"),
    "an OOM kill": Names("oom_kill_process out_of_memory mem_cgroup_out_of_memory"),
    "scheduling while atomic": Names("schedule_bug"),
    "a bad page": Names("bad_page"),
    "a KASAN report": Names("kasan_report kasan_report_invalid_free"),
    "a UBSAN report": Names("ubsan_epilogue"),
    "an interrupt that nobody took": Names("report_bad_irq"),
    "a panic": Names("panic vpanic nmi_panic"),
}
_PANIC = Names("panic vpanic nmi_panic")


def printed_for(stack: Stack) -> str | None:
    """Say what a stack was printed for; None where no function of it tells. The outermost one decides."""
    functions = [plain_name(frame.function) for frame in _certain(stack.frames) if frame.function]
    told = [what for function in functions for what in _what(function)]
    if not told:
        return None
    stopped = told[-1] != "a panic" and any(function in _PANIC for function in functions)
    return f"{told[-1]} and a panic" if stopped else told[-1]


def _what(function: str) -> Iterable[str]:
    return (what for table in (_LOCKUPS, _REPORTS) for what, names in table.items() if function in names)


def _certain(frames: Iterable[Frame]) -> list[Frame]:
    """Give the certain frames, and those before the first of them."""
    found: list[Frame] = []
    reached = False
    for frame in frames:
        reached = reached or frame.reliable or frame.role == "ip"
        if frame.role != "pointer" and (frame.reliable or not reached or frame.role == "ip"):
            found.append(frame)
    return found


def reported(body: Body, stack: Stack, what: str) -> str:
    """Say of what a stack is and where that was, for a title: `a hard lockup in widget_spin`."""
    if any(what.startswith(lockup) for lockup in _LOCKUPS):
        return what + stalled(stack.frames if body.ip is None else (body.ip, *stack.frames))
    functions = (plain_name(frame.function) for frame in stack.frames if frame.function)
    reporting = frozenset(function for function in functions if any(_what(function)))
    # What killed a task is not in the stack in which it ends: there nothing stands outside.
    outside = culprit(body, stacks=beyond([stack], reporting))
    return titled(what, outside or culprit(body, stacks=[stack]))
