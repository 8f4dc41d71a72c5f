# SPDX-License-Identifier: GPL-2.0-or-later
"""
Where the memory is, by the counters of show_mem(): shares that add up to what the kernel manages.

    active_anon:586 inactive_anon:0 ... slab_reclaimable:175 ... free:197        pages
    65406 pages RAM        11135 pages reserved

What the page allocator gave away and no counter names (drivers, vmalloc, per-CPU areas, the module's own) is
the rest. Source: mm/show_mem.c, __show_mem(); Documentation/filesystems/proc.rst for what a counter holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from keepsane.kernel.mem_info import MemInfo

FREE, REST = "free", "in no counter"


class Share(NamedTuple):
    """A part of memory in pages, and in words what it is; `reclaimable` where the kernel can take it back."""

    name: str
    pages: int
    what: str
    reclaimable: bool = False


def managed_pages(memory: MemInfo) -> int | None:
    """Give the pages that the allocator manages; None where the block does not say."""
    if memory.ram_pages is not None and memory.reserved_pages is not None:
        return memory.ram_pages - memory.reserved_pages
    return None


def usage(memory: MemInfo) -> tuple[Share, ...]:
    """
    Split managed memory into shares, the largest first, `free` and the rest last.

    Empty where the block lacks the counters or the size of memory. Counters are read one after the other
    while memory moves, so the rest may be a little off; it is left out where the shares exceed the whole.
    """
    whole = managed_pages(memory)
    if whole is None or memory.total("free") is None or memory.total("active_anon") is None:
        return ()
    shares = sorted((one for one in _shares(memory) if one.pages > 0), key=lambda one: -one.pages)
    free = Share(FREE, memory.total("free") or 0, "given to nobody")
    rest = whole - free.pages - sum(one.pages for one in shares)
    named = (*shares, free)
    return (
        (*named, Share(REST, rest, "drivers, vmalloc and others that no counter names"))
        if rest > 0
        else named
    )


def _shares(memory: MemInfo) -> Iterator[Share]:
    shared = _sum(memory, "shmem")
    anonymous = _sum(memory, "active_anon", "inactive_anon", "isolated_anon") - shared
    yield Share("programs", max(anonymous, 0), "what programs allocated (anonymous memory)")
    yield Share("shared memory", shared, "tmpfs, shared memory and the like: lost only with the file")
    file = _sum(memory, "active_file", "inactive_file", "isolated_file")
    yield Share("page cache", file, "file contents; clean ones are dropped at once", reclaimable=True)
    yield Share("unevictable", _sum(memory, "unevictable"), "locked in memory (mlock and the like)")
    yield Share(
        "slab", _sum(memory, "slab_reclaimable"), "caches such as dentries and inodes", reclaimable=True
    )
    yield Share("slab, fixed", _sum(memory, "slab_unreclaimable"), "kernel objects in use")
    yield Share("page tables", _sum(memory, "pagetables", "sec_pagetables"), "maps of the programs' memory")
    yield Share("huge pages", huge_pages(memory), "set aside for huge pages, used or not")
    yield Share("kernel stacks", _of_nodes(memory, "kernel_stack"), "one for each thread")


def huge_pages(memory: MemInfo) -> int:
    """Give the pages that the pools of huge pages hold."""
    return sum(pool.total * pool.size_kibibytes * 1024 // memory.page_bytes for pool in memory.hugepages)


def _sum(memory: MemInfo, *names: str) -> int:
    return sum(memory.total(name) or 0 for name in names)


def _of_nodes(memory: MemInfo, name: str) -> int:
    return sum(amount.pages for node in memory.nodes for amount in node.amounts if amount.name == name)
