# SPDX-License-Identifier: GPL-2.0-or-later
"""What a CPU that does not let go was doing: it spins for a lock, waits for another CPU, prints, is idle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from keepsane.judge import rule
from keepsane.kernel.events.rcu import RcuStall, sample_of
from keepsane.kernel.events.watchdog.lockup import Lockup
from keepsane.kernel.events.who import particular
from keepsane.kernel.log.culprit import executing, plain_name, traces
from keepsane.kernel.log.function_names import Names
from keepsane.kernel.log.quote import quote_frame, quote_head, some
from keepsane.model import Event, Frame
from keepsane.report import Advice, Confidence, Finding

_INNERMOST = 6
"""Among so many frames stands what a CPU waits for; further out is who began it."""


class Doing(NamedTuple):
    """What a CPU is busy with: its functions, how to say it, why it means what, what to do."""

    functions: Names
    title: str
    why: str
    step: str
    confidence: Confidence = "medium"


_DOING = (
    Doing(
        Names("""
            (native_)?queued_(spin|read|write)_lock_slowpath pv_queued_spin_lock_slowpath
            rwsem_optimistic_spin rwsem_spin_on_owner
            osq_lock mutex_spin_on_owner virt_spin_lock rt_mutex_adjust_prio_chain
        """),
        "it spins for a lock{by}: the one who holds it is the cause",
        "The holder is on another CPU, or it is the code that was interrupted here.",
        "look at what the other CPUs do: echo l > /proc/sysrq-trigger shows them while it lasts",
    ),
    Doing(
        Names("""
            smp_call_function* csd_lock_wait* generic_exec_single kick_all_cpus_sync
        """),
        "it waits for another CPU to answer{by}: the cause is on that one",
        "An interrupt was sent to other CPUs, and one has not taken it: it has them off, or does not run.",
        "look at the stacks of the other CPUs, and for the one that is missing among them",
    ),
    Doing(
        Names("multi_cpu_stop"),
        "its stopper thread waits for all CPUs to stop: the cause is on one that does not",
        "stop_machine() lets no CPU go on before every one of them runs multi_cpu_stop.",
        "look at the stacks of the other CPUs, for one that is not in multi_cpu_stop, or that is missing",
    ),
    Doing(
        Names("""
            serial8250_console_* wait_for_(xmitr|lsr)
            io_serial_(in|out) univ8250_console_write
            console_(unlock|flush_all|emit_next_record|trylock_spinning)
            vt_console_print (pl011|uart|hvc|xen|virtio|imx|sclp)_console_write
        """),
        "it writes to a console{by}: more is printed than the console takes",
        "A serial line takes 10 characters in a millisecond; who prints much waits for it.",
        "print less: a lower console level (dmesg -n 4), or find who prints so much",
    ),
    Doing(
        Names("""
            (native|acpi|pv_native)_safe_halt default_idle* acpi_idle_* mwait_idle*
            intel_idle* arch_cpu_idle cpuidle_enter*
        """),
        "it was idle when it was looked at: no code of the kernel held it",
        "An idle CPU lets everybody run. In a virtual machine the host may not have run it.",
        "compare with the load of the host, or see whether the timer of this CPU works",
    ),
    Doing(
        Names("delay_(tsc|loop|mwaitx|halt)* const_udelay udelay ndelay delay timer_delay"),
        "it waits in a delay loop{by}, without letting others run",
        "Such loops wait for hardware: it does not answer, or it is asked too often.",
        "see which hardware the caller waits for, and what its driver said before",
    ),
    Doing(
        Names("(do_)?shrink_slab*"),
        "it is in a shrinker{of}: that looks through a cache for what can be freed",
        "A cache of the kernel is asked to free objects, and that takes long; memory may be short or not.",
        "see how large that cache is, and what the log says about memory before",
    ),
    Doing(
        Names("""
            shrink_(node|lruvec|folio_list|inactive_list|active_list)*
            compact_zone* isolate_(lru|migratepages)* do_try_to_free_pages
        """),
        "it looks for free memory{by}",
        "Memory is short, and whoever asks for it has to look through the lists itself.",
        "see what the log says about memory before, and watch it with keepsane memory",
    ),
)


def stuck_frames(event: Event) -> tuple[Frame, ...]:
    """
    Give the frames that the CPU of a lockup or a stall executes, without the interrupt that took the sample.

    What it interrupted for a softirq or an interrupt is not what it does.

    None for events of other kinds.
    """
    if isinstance(event, RcuStall):
        frames = sample_of(event)
    elif isinstance(event, Lockup):
        stacks = traces(event.stacks)
        frames = stacks[0].frames if stacks else ()
        if event.ip is not None and event.ip not in frames:
            frames = (event.ip, *frames)
    else:
        return ()
    certain = [one for one in frames if one.function and (one.reliable or one.role == "ip")]
    return tuple(certain[executing([plain_name(one.function or "") for one in certain])])


@rule("cpu-stuck-waiting", on=Event)
def cpu_stuck_waiting(event: Event) -> Iterator[Finding]:
    """
    The CPU that does not let go waits for something, and its innermost functions say for what.

    What it means: not every stall is a loop in the function of the title. A CPU may spin for a lock that
    another holds, wait for another CPU's answer, push characters out of a serial line, wait for hardware in a
    delay loop, look for free memory, or have been idle all the time.

    How we know: these have functions of their own, and one of them is among the innermost frames of the CPU's
    stack, behind the interrupt that took the sample.

    What to do: where it waits for another CPU or a lock, that other CPU has the cause: its stack is often in
    the same log (`NMI backtrace for cpu`). For a console, print less.

    When it is wrong: the stack is one sample of twenty seconds or more; a loop that takes a lock or prints in
    each turn may be caught just there.
    """
    frames = stuck_frames(event)
    for place, frame in enumerate(frames[:_INNERMOST]):
        doing = next((one for one in _DOING if plain_name(frame.function or "") in one.functions), None)
        if doing is not None:
            yield _finding(event, doing, frames, place)
            return


def _finding(event: Event, doing: Doing, frames: Sequence[Frame], place: int) -> Finding:
    frame, outer = frames[place], frames[place + 1 :]
    inner = particular(frames[:place])
    of = f" ({plain_name(inner.function or '')})" if inner is not None else ""
    caller = particular([one for one in outer if plain_name(one.function or "") not in doing.functions])
    by = f" in {plain_name(caller.function or '')}" if caller is not None else ""
    return Finding(
        severity="warning",
        confidence=doing.confidence,
        title=doing.title.format(by=by, of=of),
        evidence=some(
            quote_frame(event, frame, "what it is doing") or quote_head(event),
            quote_frame(event, caller, "for whom") if caller is not None else None,
        ),
        explanation=doing.why,
        advice=(Advice(text=doing.step),),
    )
