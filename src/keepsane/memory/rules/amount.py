# SPDX-License-Identifier: GPL-2.0-or-later
"""How much there is: sizes and shares of a machine's memory."""

from __future__ import annotations

from keepsane.memory.proc.vmstat import vmstat
from keepsane.memory.state import MemorySample, MemoryState
from keepsane.words import size_words

SHORT_PERCENT = 10.0
"""With less memory available than this share memory is short: what is kept free may be what is missing."""
PAGE_KIBIBYTES = 4
"""What a page has where the files do not tell: right on x86, and on most other machines."""


def page_kibibytes(state: MemoryState) -> int:
    """The size of a page, 4 kB where it is not known."""
    return state.machine.page_kibibytes or PAGE_KIBIBYTES


def kibibytes(state: MemoryState, name: str) -> int | None:
    """The newest line of meminfo that is called `name`."""
    return state.newest(lambda sample: _meminfo(sample, name))


def least_kibibytes(state: MemoryState, name: str) -> int | None:
    """The smallest value of that line in all samples that have it."""
    found = [number for sample in state.samples if (number := _meminfo(sample, name)) is not None]
    return min(found, default=None)


def percent_of_memory(state: MemoryState, amount_kibibytes: int | None) -> float | None:
    """The share of MemTotal; None where either is not known, or MemTotal is a container's."""
    total = None if is_of_container(state) else kibibytes(state, "MemTotal")
    return None if not total or amount_kibibytes is None else 100 * amount_kibibytes / total


def available_percent(state: MemoryState) -> float | None:
    """
    The least share of the machine's memory that could be had without swapping while the samples were taken.

    Kernels before 3.14 have no MemAvailable; free memory, the lists of file pages and reclaimable slabs are
    then the most that it can be. Source: mm/show_mem.c, si_mem_available().
    """
    if is_of_container(state):
        return None
    said = least_kibibytes(state, "MemAvailable")
    if said is None:
        parts = ("MemFree", "Active(file)", "Inactive(file)", "SReclaimable")
        numbers = [least_kibibytes(state, name) for name in parts]
        known = [number for number in numbers if number is not None]
        said = sum(known) if len(known) == len(parts) else None
    return percent_of_memory(state, said)


def free_percent(state: MemoryState) -> float | None:
    """The least share of the machine's memory that was free while the samples were taken."""
    return None if is_of_container(state) else percent_of_memory(state, least_kibibytes(state, "MemFree"))


def count(state: MemoryState, name: str) -> int | None:
    """The newest value of a vmstat line that is no counter but an amount: nr_dirty."""
    return state.newest(lambda sample: None if sample.vmstat is None else vmstat(sample.vmstat, name))


def pages_words(state: MemoryState, pages: float) -> str:
    """Say a number of pages as a size."""
    return size_words(pages * page_kibibytes(state))


def is_of_container(state: MemoryState) -> bool:
    """Whether lxcfs answers meminfo for a container: vmstat beside it is the host's, and does not fit."""
    return state.container is not None and "meminfo" in state.container.replaced


def _meminfo(sample: MemorySample, name: str) -> int | None:
    return None if sample.meminfo is None else sample.meminfo.kibibytes.get(name)
