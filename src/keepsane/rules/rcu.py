# SPDX-License-Identifier: GPL-2.0-or-later
"""Why an RCU grace period did not end."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.kernel.rcu import RcuStall
from keepsane.model import Event, Finding
from keepsane.rules import CannotTell, rule
from keepsane.rules.quote import quote

_STARVED = re.compile(
    r"(?P<thread>\w{1,40}+) kthread starved for (?P<jiffies>\d{1,19}) jiffies!"
    r"(?:.{0,80}?->state=(?P<state>0x[0-9a-f]{1,8})(?: ->cpu=(?P<cpu>\d{1,5}))?)?"
)


@rule("rcu-kthread-starved", on=RcuStall)
def rcu_kthread_starved(event: RcuStall) -> Iterator[Finding | CannotTell]:
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
    A thread that sleeps (another state) did not lack a CPU but its wake-up; this does not fire then.
    """
    line = quote(event, _STARVED, "RCU's thread did not run")
    found = _STARVED.search(line.quote) if line is not None else None
    if line is None or found is None:
        return
    if found["state"] is None:
        yield CannotTell("the line that says whether RCU's thread was ready to run or asleep is cut")
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
