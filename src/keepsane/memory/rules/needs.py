# SPDX-License-Identifier: GPL-2.0-or-later
"""
What rules about memory cannot do without.

Each function gives what is known, or raises CannotTell with what is missing: the rule need not ask.
"""

from __future__ import annotations

from keepsane.judge import need
from keepsane.kernel.pages.zone import Zone
from keepsane.memory.rules.amount import available_percent, count, free_percent, kibibytes, percent_of_memory
from keepsane.memory.rules.zones import newest_zones, scanned_rate
from keepsane.memory.state import MemoryState

NO_MEMINFO = "/proc/meminfo was not read, does not say it, or is a container's own (lxcfs)"
NO_TYPES = "/proc/pagetypeinfo, which only root may read since 5.4, and /proc/zoneinfo are needed"


def need_rates(state: MemoryState, *names: str) -> tuple[float, ...]:
    """How fast vmstat counters rose, per second."""
    return tuple(need_rate(state, name) for name in names)


def need_rate(state: MemoryState, name: str) -> float:
    """How fast one of them rose."""
    return need(state.rate(name), _why_no_rate(state, name))


def need_rise(state: MemoryState, name: str) -> int:
    """By how much it rose between the first and the last sample."""
    return need(state.delta(name), _why_no_rate(state, name))


def _why_no_rate(state: MemoryState, name: str) -> str:
    if state.last.vmstat is not None and count(state, name) is None:
        return f"/proc/vmstat does not count {name}"
    return f"two samples of {name} in /proc/vmstat are needed"


def need_scanned(state: MemoryState) -> float:
    """Pages scanned per second for the whole machine."""
    return need(scanned_rate(state), "two samples of pgscan_* in /proc/vmstat are needed")


def need_zones(state: MemoryState, *, empty: bool = False) -> tuple[Zone, ...]:
    """The zones of the newest sample that has any, those without pages only where `empty` asks for them."""
    return need(newest_zones(state, empty=empty) or None, "no zone was read from /proc/zoneinfo")


def need_part(state: MemoryState, name: str) -> tuple[int, float]:
    """A line of meminfo in kB, and what percentage of memory that is."""
    amount = need(kibibytes(state, name), NO_MEMINFO)
    return amount, need(percent_of_memory(state, amount), NO_MEMINFO)


def need_available(state: MemoryState) -> float:
    """The least percentage of memory that was available."""
    return need(available_percent(state), NO_MEMINFO)


def need_free(state: MemoryState) -> float:
    """The least percentage of memory that was free."""
    return need(free_percent(state), NO_MEMINFO)
