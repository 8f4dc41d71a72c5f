# SPDX-License-Identifier: GPL-2.0-or-later
"""
What show_mem() and dump_tasks() said, as values. `keepsane.kernel.show_mem` reads it.

Source: mm/show_mem.c, __show_mem(); mm/oom_kill.c, dump_header() and dump_tasks(); mm/memcontrol.c,
mem_cgroup_print_oom_meminfo().
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from keepsane.kernel.zone import Zone


class Amount(NamedTuple):
    """One counter under the kernel's name for it; `pages` where the kernel counts pages."""

    name: str
    pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """The counters of one NUMA node, in pages; kernels before 4.8 print them per zone only."""

    node: int
    line: int
    amounts: tuple[Amount, ...]
    all_unreclaimable: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OomTask:
    """One row of the table of tasks; `pgtables_bytes` None where the kernel prints entries instead."""

    line: int
    pid: int
    uid: int | None
    tgid: int | None
    total_vm_pages: int
    rss_pages: int
    pgtables_bytes: int | None
    swapents_pages: int | None
    oom_score_adj: int | None
    comm: str


class CgroupUsage(NamedTuple):
    """A control group's counter and limit: `name` is memory, memory+swap, swap or kmem."""

    name: str
    usage_kibibytes: int
    limit_kibibytes: int | None
    failures: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemInfo:
    """
    Memory as it was when the report was printed.

    `line` is where it begins. `totals` are the kernel's global counters ("active_anon", "free",
    "slab_reclaimable", ...), all in pages. `page_bytes` is read from the buddy lists. `lacks` says in words
    which part is missing, "" when it is whole.
    """

    line: int
    page_bytes: int
    totals: tuple[Amount, ...] = ()
    nodes: tuple[Node, ...] = ()
    zones: tuple[Zone, ...] = ()
    ram_pages: int | None = None
    reserved_pages: int | None = None
    cma_pages: int | None = None
    swap_free_kibibytes: int | None = None
    swap_total_kibibytes: int | None = None
    pagecache_pages: int | None = None
    swapcache_pages: int | None = None
    hugepages: tuple[Amount, ...] = ()
    slabs: tuple[Amount, ...] = ()
    lacks: str = ""

    def total(self, name: str) -> int | None:
        """Give the pages of a global counter; None where this kernel or this block does not print it."""
        return next((amount.pages for amount in self.totals if amount.name == name), None)
