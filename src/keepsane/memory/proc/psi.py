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
from dataclasses import dataclass

from keepsane.memory.proc.counters import whole_lines

_LINE = re.compile(
    r"(?P<who>some|full) avg10=(?P<avg10>\d{1,3}\.\d\d) avg60=(?P<avg60>\d{1,3}\.\d\d)"
    r" avg300=(?P<avg300>\d{1,3}\.\d\d) total=(?P<total>\d{1,20})\r?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """How long tasks stood still: shares of the last 10, 60 and 300 s, and the sum since boot."""

    avg10_percent: float
    avg60_percent: float
    avg300_percent: float
    total_microseconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """
    `some`: at least one task stood still. `full`: all that had work did.

    `full` is None for the CPU before 5.13, which did not print it.
    """

    some: Stall | None
    full: Stall | None


def parse_pressure(text: str) -> Pressure | None:
    """
    Read a pressure file; None where neither line is there.

    Source: kernel/sched/psi.c, psi_show().
    """
    lines = (_LINE.fullmatch(line) for line in whole_lines(text))
    found = {line["who"]: _stall(line) for line in lines if line}
    return Pressure(some=found.get("some"), full=found.get("full")) if found else None


def _stall(line: re.Match[str]) -> Stall:
    return Stall(
        avg10_percent=float(line["avg10"]),
        avg60_percent=float(line["avg60"]),
        avg300_percent=float(line["avg300"]),
        total_microseconds=int(line["total"]),
    )


def stalled_percent(before: Stall | None, after: Stall | None, seconds: float | None) -> float | None:
    """
    The share of the time between two samples, exactly, where the averages only fade.

    None where a sample is missing, no time passed, or the machine was restarted between.
    """
    if before is None or after is None or not seconds or seconds < 0:
        return None
    microseconds = after.total_microseconds - before.total_microseconds
    return None if microseconds < 0 else min(microseconds / seconds / 10_000, 100.0)
