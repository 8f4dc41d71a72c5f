# SPDX-License-Identifier: GPL-2.0-or-later
"""
A CPU that found itself stalled although it took hardly any timer ticks in all that time.

    rcu: INFO: rcu_sched self-detected stall on CPU
    rcu:     1-...!: (1 ticks this GP) idle=2e6/1/0x4000000000000002 softirq=21091/21091 fqs=0
    rcu:     (t=110325 jiffies g=45621 q=219)

Source: kernel/rcu/tree_stall.h, print_cpu_stall_info().
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from keepsane.judge import rule
from keepsane.kernel.events.rcu import RcuStall
from keepsane.kernel.log.quote import quote, some
from keepsane.report import Finding
from keepsane.words import counted

_SELF = re.compile(r"(?:rcu: )?INFO: \w{1,40} self-detected stall")
_TICKS = re.compile(r"(?:rcu: )?\s{0,8}+(?P<cpu>\d{1,5})-[.\w?!]{3,4}: \((?P<ticks>\d{1,10}) ticks this GP\)")
_WAITED = re.compile(r"(?:rcu: )?\s{0,8}+\(t=(?P<jiffies>\d{1,19}) jiffies")
_SHARE = 20
"""A CPU that runs takes a tick a jiffy. It is said to lack them where it took less than one of so many."""


class Ticks(NamedTuple):
    """How many ticks a CPU took in how many jiffies of one grace period."""

    cpu: int
    ticks: int
    jiffies: int


def without_ticks(event: RcuStall) -> Ticks | None:
    """Give the ticks of the CPU that found itself stalled; None where it took enough, or none are said."""
    texts = [record.text for record in event.records]
    waited = next((found for text in texts if (found := _WAITED.match(text))), None)
    took = [found for text in texts if (found := _TICKS.match(text))]
    if not any(_SELF.match(text) for text in texts) or waited is None or len(took) != 1:
        return None
    ticks, jiffies = int(took[0]["ticks"]), int(waited["jiffies"])
    return Ticks(int(took[0]["cpu"]), ticks, jiffies) if ticks * _SHARE < jiffies else None


@rule("stalled-cpu-took-no-ticks", on=RcuStall)
def stalled_cpu_took_no_ticks(event: RcuStall) -> Iterator[Finding]:
    """
    The stalled CPU took hardly any timer ticks in the time in which it is said to have stalled.

    What it means: a CPU that loops in the kernel still takes its timer interrupt and counts it. This one did
    not: it was idle and nobody noticed, because RCU's own thread did not run; or it had its interrupts off;
    or it did not run at all, as in a virtual machine that its host had stopped. The trace shows what ran when
    the ticks came again, which need not be the cause.

    How we know: `ticks this GP` counts the ticks of this CPU in this grace period, and `t=` how long that has
    lasted. The CPU found itself stalled, which it does in such a tick.

    What to do: in a virtual machine compare with the host: a snapshot, a migration, too many guests. Else
    look for a lockup of the same CPU, and for code that keeps interrupts off.

    When it is wrong: a CPU of `nohz_full=` takes no ticks while it runs one task. It does not fire where
    another CPU found the stall, or several CPUs are named.
    """
    found = without_ticks(event)
    if found is None:
        return
    yield Finding(
        severity="warning",
        confidence="medium",
        title=f"CPU {found.cpu} took {counted(found.ticks, 'timer tick')} in {found.jiffies} jiffies: it was"
        " idle, had its interrupts off, or did not run",
        evidence=some(quote(event, _TICKS, "its ticks"), quote(event, _WAITED, "how long it took")),
        explanation="The trace shows what ran when ticks came again, which need not be the cause. In a"
        " virtual machine the host may have stopped it.",
        references=("Documentation/RCU/stallwarn.rst",),
    )
