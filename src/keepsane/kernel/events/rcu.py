# SPDX-License-Identifier: GPL-2.0-or-later
"""
RCU stalls: a CPU or task kept a grace period from ending.

    rcu: INFO: rcu_sched self-detected stall on CPU
    rcu: 	0-...!: (1242 ticks this GP) idle=1c14/1/0x4000000000000000 softirq=230/230 fqs=17
    rcu: 	(t=1250 jiffies g=-923 q=2 ncpus=2)
    INFO: rcu_preempt detected stalls on CPUs/tasks:               before 4.19, also one line with { 1}
    rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-... } 2100 jiffies s: 81 root: 0x2/.
    INFO: rcu_sched_state detected stall on CPU 0 (t=105060 jiffies)       2.6
    INFO: rcu_tasks detected stalls on tasks:                              kernel/rcu/tasks.h

Source: kernel/rcu/tree_stall.h, print_cpu_stall() and print_other_cpu_stall(); tree_exp.h; tasks.h.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from keepsane.judge import CannotTell, rule
from keepsane.kernel.log.block import Block, Opening, build
from keepsane.kernel.log.culprit import names, runs_in, stalled
from keepsane.kernel.log.quote import quote, quote_line, some
from keepsane.kernel.log.task import parse_task
from keepsane.model import Event, Frame, LogRecord, Stack, Task
from keepsane.report import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class RcuStall(Event):
    """
    A grace period of `flavor` (rcu_sched, rcu_preempt, ...) did not end.

    `cpus` are the CPUs it waits for, `stalled_jiffies` how long it had by then; `starved_jiffies` is how long
    the grace-period kthread did not run, None where it did.
    """

    flavor: str
    cpus: tuple[int, ...] = ()
    stalled_jiffies: int | None = None
    starved_jiffies: int | None = None


HEAD = re.compile(
    r"(?:rcu: )?INFO: (?P<flavor>rcu\w*|srcu\w*) (?:self-)?detected (?:expedited )?stalls? on (?:CPUs?"
    r"|tasks|CPUs/tasks)?"
    r"|(?:INFO: )?(?P<flavor_>RCU) detected CPU (?P<cpu>\d{1,5}) stall"
)
_CPUS = re.compile(
    r"(?:rcu: )?\s*(?:INFO: .{0,150}?stalls? on CPUs?(?:/tasks)?:? ?\{?\s*+"
    r"|(?:INFO: )?RCU detected CPU )?(?P<cpu>\d{1,5})(?:-[.\w?!]{3,4}|: \(\d{1,20}|\}|\s+\(| stall)"
)
_STARVED = re.compile(r"(?:rcu: )?\s*\w+ kthread starved for (?P<starved_jiffies>\d{1,19}) jiffies")
_SINCE = re.compile(r".{0,400}?(?:[(, ]t=|\} )(?P<stalled_jiffies>\d{1,19}) jiffies\b")
_NO_TIMER = re.compile(
    r"(?:rcu: )?\s{0,40}+\w{1,40}+ kthread timer wakeup didn't happen for "
    r"(?P<starved_jiffies>\d{1,19}) jiffies"
)
_ALL_PASSED = re.compile(
    r"(?:rcu: )?\s{0,40}+All QSes seen, last \w{1,40}+ kthread activity (?P<starved_jiffies>\d{1,19}) "
)
_OWN = re.compile(
    r"rcu: |All QSes seen, "
    r"|\s*(?:Tasks blocked on level|\d{1,20}-[.\w?!]{3,4}:|\(t=\d{1,20} jiffies|\(detected by \d{1,20}"
    r"|Unless \w+ kthread gets|RCU grace-period kthread"
    r"|Stack dump where RCU GP|Task dump for CPU|blocking rcu_node|\w+ kthread (?:timer )?(?:starved"
    r"|wakeup)|\w+ GPs? behind|Possible timer handling issue|INFO: Stall ended"
    r"|\d{1,20}: \(\d{1,20} .*ticks this GP|Workqueue: )"
)


_OWN_THREAD = frozenset({"rcu_gp_kthread", "rcu_gp_fqs_loop", "rcu_gp_init", "rcu_gp_cleanup"})
_ASKERS = frozenset({"print_other_cpu_stall", "nmi_trigger_cpumask_backtrace"})


def _cpus(block: Block) -> tuple[int, ...]:
    return tuple(dict.fromkeys(int(found["cpu"]) for found in block.find_all(_CPUS)))


def _bystander(stack: Stack, *, others: bool) -> bool:
    """Tell whether a stack did not hold up the grace period; `others` says that other CPUs are named."""
    functions = names(stack.frames)
    return not _OWN_THREAD.isdisjoint(functions) or (others and not _ASKERS.isdisjoint(functions))


def _samples(
    stacks: tuple[Stack, ...], ip: Frame | None, cpus: tuple[int, ...], said: str
) -> list[tuple[Frame, ...]]:
    """
    Give the stacks that could hold up the grace period.

    RCU's own thread is none of them, nor is the CPU that found another one stalled and asked for its stack,
    nor one that was only asked: where RCU's thread ran last, all of them after a sysrq.
    A stack without a CPU's name is the one that found itself stalled, where the headline `said` so.
    """
    stalled = {f"NMI backtrace for cpu {cpu}" for cpu in cpus}
    others = bool(cpus) and "self-detected" not in said
    possible = [
        stack
        for stack in stacks
        if not _bystander(stack, others=others)
        and not (stalled and stack.name.startswith("NMI ") and stack.name not in stalled)
    ]
    return [
        (ip, *stack.frames) if ip is not None and stack is stacks[0] else stack.frames for stack in possible
    ]


def _longest_run(samples: list[tuple[Frame, ...]]) -> tuple[Frame, ...]:
    return next((sample for sample in samples if runs_in(sample)), samples[0] if samples else ())


def sample_of(event: RcuStall) -> tuple[Frame, ...]:
    """Give the frames of the CPU that holds up the grace period, as far as the report shows them."""
    head = next((found[0] for record in event.records if (found := HEAD.match(record.text))), "")
    own = any(event.ip in stack.frames for stack in event.stacks)
    return _longest_run(_samples(event.stacks, None if own else event.ip, event.cpus, head))


def _task(block: Block, cpus: tuple[int, ...]) -> Task | None:
    """Give the task on a stalled CPU; the first task named may be one on another."""
    named = (parse_task(record.text) for record in block.records)
    on_cpu = next((task for task in named if task is not None and task.cpu in cpus), None)
    return on_cpu or block.body.task or (Task(cpu=cpus[0]) if cpus else None)


def parse_rcu_stall(block: Block) -> RcuStall | None:
    """
    Read an RCU CPU stall warning with the stacks that were sampled for it.

    Accepted format:
        rcu: INFO: rcu_preempt self-detected stall on CPU
        INFO: rcu_sched detected stalls on CPUs/tasks: { 1} (detected by 0, t=5252 jiffies, g=6, c=5, q=2)
        INFO: RCU detected CPU 0 stall (t=1000 jiffies)                        up to 2.6.35

    Where it says that all quiescent states were seen, RCU's own thread is late, and the stack is of the CPU
    that looked: "the current CPU might be at fault" (print_other_cpu_stall()).
    """
    cpus = _cpus(block)
    samples = _samples(block.body.stacks, block.body.ip, cpus, block.head[0])
    alone = (block.body.ip,) if block.body.ip is not None and not block.body.stacks else ()
    sample = _longest_run(samples) if samples else alone
    late = None if cpus else block.find(_ALL_PASSED)
    return build(
        RcuStall,
        block,
        "rcu-stall",
        f"{block.head['flavor'] or block.head['flavor_']} stall{stalled(sample)}",
        block.find(_SINCE),
        block.find(_STARVED) or block.find(_NO_TIMER) or late,
        task=_task(block, cpus),
        ip=block.body.ip or next((frame for frame in sample if frame.role == "ip"), None),
        cpus=cpus,
    )


OPENINGS = (Opening("rcu-stall", HEAD, parse_rcu_stall, own=_OWN),)


UNANSWERED_SECONDS = 9.0
"""The kernel waits 10 seconds for the CPUs that it asked (lib/nmi_backtrace.c)."""
_LONGEST_JIFFY_SECONDS = 0.01
_SHORTEST_JIFFY_SECONDS = 0.001
_ASKED = re.compile(r"\s*Sending NMI (?:from CPU \d{1,5} )?to (?:other )?CPUs (?P<cpus>[\d,-]{1,200})")
_ANSWERED = re.compile(r"NMI backtrace for cpu (?P<cpu>\d{1,5})\b")
_FQS = re.compile(r"\bfqs=(?P<runs>\d{1,10})\b")


def nmi_requests(records: Iterable[LogRecord]) -> Iterator[LogRecord]:
    """
    Yield the lines in which a CPU asks others for their stacks.

    Accepted format:
        Sending NMI from CPU 1 to CPUs 3:
    """
    return (record for record in records if _ASKED.match(record.text))


@rule("stalled-cpu-does-not-answer", on=RcuStall)
def stalled_cpu_does_not_answer(event: RcuStall) -> Iterator[Finding]:
    """
    A stalled CPU did not even answer when it was asked for its stack.

    What it means: the CPU that asked waits ten seconds for a stack of the stalled one. A CPU that only loops
    in the kernel answers at once. One that does not has its interrupts off where they are what asks it (arm,
    riscv, arm64 without NMIs), or on x86 does not run kernel code at all: firmware (SMM), a hypervisor
    that does not run it, or the hardware.

    How we know: `Sending NMI ... to CPUs N` is followed by nine seconds or more of silence, and no
    `NMI backtrace for cpu N` follows.

    What to do: look at what that CPU did last, not at the other stacks of the report, nor at RCU's thread,
    which waited for it. In a virtual machine look at the host; on hardware at firmware and at MCEs.

    When it is wrong: lines of the answer may be lost, or be printed by another CPU too late for this report.
    """
    for asked, after in pairwise(event.records):
        found = _ASKED.match(asked.text)
        if found is None or asked.seconds is None or after.seconds is None:
            continue
        silent = _silent(event, found["cpus"])
        if silent and after.seconds - asked.seconds >= UNANSWERED_SECONDS:
            yield _no_answer(event, asked, after, silent)
            return


def _silent(event: RcuStall, asked: str) -> tuple[int, ...]:
    answered = {int(found["cpu"]) for record in event.records if (found := _ANSWERED.match(record.text))}
    return tuple(cpu for cpu in event.cpus if str(cpu) in asked.split(",") and cpu not in answered)


def _no_answer(event: RcuStall, asked: LogRecord, after: LogRecord, silent: tuple[int, ...]) -> Finding:
    who = ", ".join(str(cpu) for cpu in silent)
    waited = (after.seconds or 0) - (asked.seconds or 0)
    runs = next((found["runs"] for record in event.records if (found := _FQS.search(record.text))), "0")
    ran = (
        f" RCU's own thread ran: it looked {runs} times in this grace period (fqs)." if int(runs) > 1 else ""
    )
    return Finding(
        severity="error",
        confidence="medium",
        title=f"CPU {who} did not answer for {waited:.0f} s: probably its interrupts are off",
        evidence=some(
            quote_line(event, asked.line, "it was asked for its stack"),
            quote_line(event, after.line, "the next line, without an answer"),
        ),
        explanation=f"The stall is on that CPU; no other stack here shows what it does.{ran}",
        references=("lib/nmi_backtrace.c, nmi_trigger_cpumask_backtrace()",),
    )


_STARVED_LINE = re.compile(
    r"(?P<thread>\w{1,40}+) kthread starved for (?P<jiffies>\d{1,19}) jiffies!"
    r"(?:.{0,80}?->state=(?P<state>0x[0-9a-f]{1,8})(?: ->cpu=(?P<cpu>\d{1,5}))?)?"
)


@rule("rcu-kthread-starved", on=RcuStall)
def rcu_kthread_starved(event: RcuStall) -> Iterator[Finding]:
    """
    RCU's own thread got no CPU time, so the stall may not be the fault of the function shown.

    What it means: a grace period is driven by a kernel thread. It was ready to run and was not given a CPU,
    so it could not end the grace period even if everybody else had done their part. Real-time tasks that
    never pause, a CPU held by the hypervisor, and a CPU busy with interrupts off do this.

    How we know: the kernel prints `kthread starved for N jiffies` with the thread's state, and the state is
    0x0: runnable. The CPU it stands on is printed with it.

    What to do: look first at what ran on that thread's CPU (`Stack dump where RCU GP kthread last ran`), then
    at the CPUs named as stalled. In a virtual machine compare with the host's load.

    When it is wrong: starvation can itself be an effect of the stalled CPU: where the thread's CPU only waits
    for the others (stop_machine(), multi_cpu_stop in its trace), the CPU that does not answer is the cause.
    A thread that sleeps (another state) did not lack a CPU but its wake-up; this does not fire then. Nor does
    it where the count is no longer than the dump itself took: RCU's thread prints it after it has waited for
    CPUs that did not answer.
    """
    line = quote(event, _STARVED_LINE, "RCU's thread did not run")
    found = _STARVED_LINE.search(line.quote) if line is not None else None
    if line is None or found is None or _is_the_dump(event, line.line, int(found["jiffies"])):
        return
    if found["state"] is None:
        raise CannotTell("the line that says whether RCU's thread was ready to run or asleep is cut")
    elif int(found["state"], 16) == 0:
        cpu = int(found["cpu"]) if found["cpu"] else None
        yield Finding(
            severity="note",
            confidence="medium",
            title=f"RCU's thread {found['thread']} was ready but got no CPU ({found['jiffies']} jiffies)",
            evidence=(line,),
            explanation=_explanation(event, cpu),
            references=("Documentation/RCU/stallwarn.rst",),
        )


def _is_the_dump(event: RcuStall, line: int, jiffies: int) -> bool:
    """
    Tell whether RCU's thread did not run for so long only because the stacks were being dumped: the CPU that
    asks for them has its interrupts off until all have answered, so no timer ends on it either.

    How long a jiffy is is not printed: 1 to 10 ms (CONFIG_HZ).
    """
    asked = next(nmi_requests(event.records), None)
    said = next((record.seconds for record in event.records if record.line == line), None)
    if asked is None or asked.line > line or asked.seconds is None or said is None:
        return False
    dump_seconds = said - asked.seconds
    if dump_seconds >= jiffies * _LONGEST_JIFFY_SECONDS * 0.95:
        return True
    if dump_seconds >= jiffies * _SHORTEST_JIFFY_SECONDS and dump_seconds >= UNANSWERED_SECONDS:
        raise CannotTell(
            "whether RCU's thread was held up or waited for the dump: the kernel's HZ is not shown"
        )
    return False


def _explanation(event: RcuStall, cpu: int | None) -> str:
    stalled = ", ".join(str(number) for number in event.cpus)
    if cpu is None:
        return "Its CPU is not printed; the functions shown may be bystanders."
    if cpu in event.cpus:
        return f"It stands on CPU {cpu}, which is also said to stall: what runs there keeps out both."
    if _waits_for_others(event):
        return (
            f"It stands on CPU {cpu}; a CPU in this report waits in multi_cpu_stop for the others, so"
            f" the CPU that does not (stalled: {stalled or 'not named'}) is likelier to be the cause."
        )
    named = stalled or "not named"
    return f"It stands on CPU {cpu}: look there first. The stalled ones ({named}) may not be to blame."


def _waits_for_others(event: Event) -> bool:
    return any(
        frame.function == "multi_cpu_stop" and frame.reliable
        for stack in event.stacks
        for frame in stack.frames
    )


_TIMER_ISSUE = re.compile(r"Possible timer handling issue on cpu=(?P<cpu>\d{1,5})")


@rule("rcu-timer-not-handled", on=RcuStall)
def rcu_timer_not_handled(event: RcuStall) -> Iterator[Finding]:
    """
    RCU's thread slept and its timer did not wake it: a CPU did not handle timers.

    What it means: between two looks at the CPUs, RCU's thread sleeps for a few ticks. The timer that should
    have ended that sleep ran out long ago and nobody called it, so the thread could do nothing.

    How we know: the kernel says `Possible timer handling issue on cpu=N`: it prints this where the thread
    still waits for a timer that was due more than a second ago. N is the CPU it was last on.

    What to do: look at what that CPU does: interrupts that are off for long, a softirq that never ends, a
    clock event device that stopped (in a virtual machine: the host), a tick that was switched off.

    When it is wrong: where the whole machine stood still (a hypervisor, a debugger, System Management Mode),
    every timer is late and this one only shows it. It does not fire where the timer is no later than the
    dump of the stacks took: the CPU that waits for them serves no timers.
    """
    found = quote(event, _TIMER_ISSUE, "the kernel's own suspicion")
    said = _TIMER_ISSUE.search(found.quote) if found is not None else None
    if found is None or said is None:
        if quote(event, _NO_TIMER) is not None:
            raise CannotTell("the line that names the CPU whose timer did not come is cut")
        return
    overdue = quote(event, _NO_TIMER, "how long it is overdue")
    late = _NO_TIMER.search(overdue.quote) if overdue is not None else None
    if overdue is not None and late and _is_the_dump(event, overdue.line, int(late["starved_jiffies"])):
        return
    yield Finding(
        severity="note",
        confidence="medium",
        title=f"the timer that should wake RCU's thread did not run: possible timer handling issue on"
        f" CPU {said['cpu']}",
        evidence=some(found, overdue),
        explanation=f"CPU {said['cpu']} is the one to look at: it handled no timer while RCU's thread slept.",
        references=("Documentation/RCU/stallwarn.rst",),
    )
