# SPDX-License-Identifier: GPL-2.0-or-later
"""Pressure stall information, and where it is blind."""

from __future__ import annotations

from keepsane.judge import CannotTell, Clear, rule
from keepsane.kernel.pages.gfp import version_of
from keepsane.memory.proc.machine import option
from keepsane.memory.rules.needs import need_rate
from keepsane.memory.rules.quote import PRESSURE, quote_pressure, quote_risen
from keepsane.memory.state import MemoryState
from keepsane.report import Advice, Finding
from keepsane.words import share_words

_PSI_SINCE = (4, 20)


@rule("psi-silent-warning", on=MemoryState)
def psi_silent_warning(
    state: MemoryState, *, scans_per_second: float = 100.0, stalled_percent: float = 0.1
) -> Finding | Clear:
    """
    Tasks reclaim memory, and pressure stall information says nothing of it.

    What it means: a monitor of /proc/pressure/memory sees a healthy machine. Its silence is no proof.

    How we know: pgscan_direct rises by 100 per second or more, and the total of memory pressure stands still,
    or this kernel has none: before 4.20, with psi=0, or not switched on (psi=1). Zone reclaim was not counted
    by 5.10; 6.1 counts it.

    What to do: watch pgscan_direct and allocstall in /proc/vmstat instead.

    When it is wrong: reclaim that is very short leaves no trace in the total either.
    """
    scanned = need_rate(state, "pgscan_direct")
    said = f"{scanned:.0f} pages were scanned directly per second"
    if scanned < scans_per_second:
        return Clear(f"{said}: there is nothing that memory pressure could hide")
    stalled, why_none = state.stalled_percent("memory", "some"), _why_none(state)
    if stalled is None and not why_none:
        raise CannotTell(f"{said}; two samples of /proc/pressure/memory were not read")
    if stalled is not None and stalled >= stalled_percent:
        return Clear(f"{said}, and memory pressure shows it: {share_words(stalled)} of the time")
    how = why_none or "memory pressure did not rise; kernels such as 5.10 do not count zone reclaim there"
    return Finding(
        severity="info",
        confidence="high" if why_none else "medium",
        title="memory pressure (PSI) is silent about this",
        evidence=(*quote_risen(state, "pgscan_direct"), *quote_pressure(state)),
        explanation=f"{said}, and {how}.",
        advice=(Advice(text="watch pgscan_direct and allocstall in /proc/vmstat, not the pressure"),),
        references=("Documentation/accounting/psi.rst", "mm/vmscan.c, __node_reclaim()"),
    )


def _why_none(state: MemoryState) -> str:
    """Say why this kernel has no pressure file; "" where it has one, or it may only not have been read."""
    if any(sample.memory_pressure is not None for sample in state.samples):
        return ""
    if option(state.machine, "psi") == "0":
        return "psi=0 on the kernel's command line switches memory pressure off"
    version = version_of(state.machine.release)
    if version is not None and version < _PSI_SINCE:
        return f"{state.machine.release} has no /proc/pressure/memory, which came with 4.20"
    missing = (file for sample in state.samples for file in sample.missing)
    absent = any(file.path == PRESSURE and file.reason == "absent" for file in missing)
    return "this kernel has no /proc/pressure/memory; psi=1 may switch it on" if absent else ""
