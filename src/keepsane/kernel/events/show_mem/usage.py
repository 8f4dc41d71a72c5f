# SPDX-License-Identifier: GPL-2.0-or-later
"""
Where the memory is, by the counters of show_mem(): parts that add up to what the kernel manages.

    active_anon:586 inactive_anon:0 ... slab_reclaimable:175 ... free:197        pages
    65406 pages RAM        11135 pages reserved

What the page allocator gave away and no counter names (drivers, vmalloc, per-CPU areas, the module's own) is
the rest. Source: mm/show_mem.c, __show_mem(); Documentation/filesystems/proc.rst for what a counter holds.
A control group's statistics are split likewise: keepsane.kernel.events.show_mem.memcg.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from keepsane.kernel.pages.mem_info import MemInfo

PROGRAMS, SHARED, CACHE = "programs", "shared memory", "page cache"
SLAB, FIXED_SLAB = "slab", "slab, fixed"
PAGE_TABLES, HUGE_PAGES, STACKS = "page tables", "huge pages", "kernel stacks"
FREE, REST = "free", "in no counter"
WORDS = {
    PROGRAMS: "what programs allocated (anonymous memory)",
    SHARED: "tmpfs, shared memory and the like: lost only with the file",
    CACHE: "file contents; clean ones are dropped at once",
    SLAB: "caches such as dentries and inodes",
    FIXED_SLAB: "kernel objects in use",
    PAGE_TABLES: "maps of the programs' memory",
    HUGE_PAGES: "set aside for huge pages, used or not",
    STACKS: "one for each thread",
}


_NEEDED = ("free", "active_anon", "active_file", "shmem", "slab_unreclaimable")
"""One counter of each line: without one of them the rest would seem to be more than it is (before 2.6.32)."""


class Part(NamedTuple):
    """A part of memory and in words what it is; `reclaimable` where the kernel can take it back."""

    name: str
    kibibytes: int
    what: str
    reclaimable: bool = False


def managed_pages(memory: MemInfo) -> int | None:
    """Give the pages that the allocator manages; None where the block does not say."""
    if memory.ram_pages is not None and memory.reserved_pages is not None:
        return memory.ram_pages - memory.reserved_pages
    return None


def usage(memory: MemInfo) -> tuple[Part, ...]:
    """
    Split managed memory into parts, the largest first, what is free and the rest last.

    Empty where the block lacks the counters or the size of memory. Counters are read one after the other
    while memory moves, so the rest may be a little off; it is left out where the parts exceed the whole.
    """
    whole = managed_pages(memory)
    if whole is None or any(memory.total(name) is None for name in _NEEDED):
        return ()
    kibibytes = memory.page_bytes // 1024
    parts = sorted(
        (
            Part(name, pages * kibibytes, what, back)
            for name, pages, what, back in _pages(memory)
            if pages > 0
        ),
        key=lambda part: -part.kibibytes,
    )
    free = Part(FREE, (memory.total("free") or 0) * kibibytes, "given to nobody")
    rest = whole * kibibytes - free.kibibytes - sum(part.kibibytes for part in parts)
    pools = "" if memory.hugepages else "huge pages (not printed), "
    what = f"{pools}drivers, vmalloc, zram and others that no counter names"
    last = [Part(REST, rest, what)] if rest > 0 else []
    return (*parts, free, *last)


def _pages(memory: MemInfo) -> Iterator[tuple[str, int, str, bool]]:
    shared = _sum(memory, "shmem")
    anonymous = _sum(memory, "active_anon", "inactive_anon", "isolated_anon")
    yield PROGRAMS, max(anonymous - shared, 0), WORDS[PROGRAMS], False
    yield SHARED, shared, WORDS[SHARED], False
    file = _sum(memory, "active_file", "inactive_file", "isolated_file")
    yield CACHE, file, WORDS[CACHE], True
    # Locked shared memory lies on no list of anonymous memory, but here.
    locked = _sum(memory, "unevictable") - max(shared - anonymous, 0)
    yield "unevictable", locked, "locked in memory (mlock and the like)", False
    yield SLAB, _sum(memory, "slab_reclaimable"), WORDS[SLAB], True
    yield FIXED_SLAB, _sum(memory, "slab_unreclaimable"), WORDS[FIXED_SLAB], False
    yield PAGE_TABLES, _sum(memory, "pagetables", "sec_pagetables"), WORDS[PAGE_TABLES], False
    yield HUGE_PAGES, huge_pages(memory), WORDS[HUGE_PAGES], False
    yield STACKS, _of_nodes(memory, "kernel_stack"), WORDS[STACKS], False
    drivers = _sum(memory, "kernel_misc_reclaimable")
    yield "drivers' caches", drivers, "what drivers give back when asked", True
    yield "free, per CPU", _sum(memory, "free_pcp"), "free pages on the CPUs' own lists", True


def huge_pages(memory: MemInfo) -> int:
    """Give the pages that the pools of huge pages hold."""
    return sum(pool.total * pool.size_kibibytes * 1024 // memory.page_bytes for pool in memory.hugepages)


def _sum(memory: MemInfo, *names: str) -> int:
    return sum(memory.total(name) or 0 for name in names)


def _of_nodes(memory: MemInfo, name: str) -> int:
    return sum(amount.pages for node in memory.nodes for amount in node.amounts if amount.name == name)
