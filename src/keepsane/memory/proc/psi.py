# SPDX-License-Identifier: GPL-2.0-or-later
"""
Pressure stall information: /proc/pressure/memory, and memory.pressure of a cgroup.

    some avg10=0.34 avg60=0.20 avg300=0.19 total=4672522
    full avg10=0.07 avg60=0.08 avg300=0.11 total=3323470

Absent before 4.20, without CONFIG_PSI, and with psi=0 on the kernel's command line: then it is None, and
nothing is known about stalls. Source: kernel/sched/psi.c, psi_show().
"""

from __future__ import annotations

import re

from keepsane.memory.proc.counters import Counters, counters, whole_lines

_LINE = re.compile(
    r"(?P<who>some|full)(?: avg\d{2,3}=\d{1,3}\.\d\d){3} total=(?P<total>\d{1,20})\r?", re.ASCII
)


def parse_pressure(text: str) -> Counters | None:
    """
    Read a pressure file; None where neither line is there.

    Microseconds since boot: "some" counts while at least one task stood still, "full" while all did that had
    work. Source: kernel/sched/psi.c, psi_show().
    """
    lines = (_LINE.fullmatch(line) for line in whole_lines(text))
    found = counters((line["who"], int(line["total"])) for line in lines if line)
    return found if len(found) else None


def stalled_percent(before: int | None, after: int | None, seconds: float | None) -> float | None:
    """
    The share of the time between two samples, of microseconds since boot: exact, where the averages fade.

    None where a sample is missing, no time passed, or the machine was restarted between.
    """
    if before is None or after is None or not seconds or seconds < 0:
        return None
    return None if after < before else min((after - before) / seconds / 10_000, 100.0)
