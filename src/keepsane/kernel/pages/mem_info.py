# SPDX-License-Identifier: GPL-2.0-or-later
"""
What show_mem() and dump_tasks() said, as values. `keepsane.kernel.events.show_mem.show_mem` reads it.

Source: mm/show_mem.c, __show_mem(); mm/oom_kill.c, dump_header() and dump_tasks(); mm/memcontrol.c,
mem_cgroup_print_oom_meminfo().
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from keepsane.kernel.pages.zone import Zone


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


class HugePages(NamedTuple):
    """
    The pool of huge pages of one size on one node, counted in pages of that size.

    `node` is None where one pool's line names none; `surplus` are those beyond vm.nr_hugepages.
    """

    node: int | None
    size_kibibytes: int
    total: int
    free: int
    surplus: int


class SlabUsage(NamedTuple):
    """A slab cache that cannot be reclaimed: what its objects in use and all its objects take."""

    name: str
    used_kibibytes: int
    total_kibibytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OomTask:
    """
    One row of the table of tasks.

    Sizes are in pages. Since 6.8 the resident ones are also told apart (`rss_anon_pages`, ...). Before 4.15
    the kernel counts page tables (`nr_ptes`) and prints no `pgtables_bytes`. Before 2.6.36 `oom_score_adj` is
    the old `oom_adj` (-17 to 15).
    """

    line: int
    pid: int
    uid: int | None
    tgid: int | None
    total_vm_pages: int
    rss_pages: int
    rss_anon_pages: int | None = None
    rss_file_pages: int | None = None
    rss_shmem_pages: int | None = None
    pgtables_bytes: int | None = None
    nr_ptes: int | None = None
    swapents_pages: int | None = None
    oom_score_adj: int | None = None
    comm: str


class CgroupAmount(NamedTuple):
    """One line of a control group's statistics: bytes, or a count where `name` counts events or pages."""

    name: str
    value: int


class CgroupUsage(NamedTuple):
    """
    A control group's counter and limit: `name` is memory, memory+swap, swap or kmem.

    `limit_kibibytes` is None where there is no limit; `failures` is how often the limit was hit.
    """

    name: str
    usage_kibibytes: int
    limit_kibibytes: int | None = None
    failures: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemInfo:
    """
    Memory as it was when the report was printed.

    `line` is where it begins, `last_line` where it ends. `totals` are the kernel's global counters
    ("active_anon", "free", "slab_reclaimable", ...), all in pages. `page_bytes` is read from the buddy lists,
    else from the zones' sizes; where neither says it 4096 is taken and `lacks` says so. `lacks` says in words
    which part is missing or damaged, "" when it is whole. `swap_free_kibibytes` may be negative: that is so
    while swap is being switched off. `zones_whole` is False where the line of a zone is cut or missing, or
    stands there twice: no verdict can rest on the others then. `elisions` are lines of dots that a person put
    in the place of others.
    """

    line: int
    last_line: int = 0
    page_bytes: int
    totals: tuple[Amount, ...] = ()
    nodes: tuple[Node, ...] = ()
    zones: tuple[Zone, ...] = ()
    ram_pages: int | None = None
    reserved_pages: int | None = None
    cma_pages: int | None = None
    highmem_pages: int | None = None
    hwpoisoned_pages: int | None = None
    swap_free_kibibytes: int | None = None
    swap_total_kibibytes: int | None = None
    pagecache_pages: int | None = None
    swapcache_pages: int | None = None
    hugepages: tuple[HugePages, ...] = ()
    slabs: tuple[SlabUsage, ...] = ()
    zones_whole: bool = True
    elisions: tuple[int, ...] = ()
    lacks: str = ""

    def total(self, name: str) -> int | None:
        """Give the pages of a global counter; None where this kernel or this block does not print it."""
        return next((amount.pages for amount in self.totals if amount.name == name), None)
