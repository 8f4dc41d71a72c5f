# SPDX-License-Identifier: GPL-2.0-or-later
"""
Where a control group's memory is, by its statistics: parts that add up to what it used.

    memory: usage 20480kB, limit 20480kB, failcnt 44
    anon 20377600                                                                   cgroup v2, bytes
    file 0
    cache 12288                                                                     cgroup v1; total_cache
    rss 20377600                                                                    with the groups below

Source: mm/memcontrol.c, memory_stat_format(); mm/memcontrol-v1.c, memcg1_stat_format();
Documentation/admin-guide/cgroup-v2.rst, memory.stat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from keepsane.kernel.mem_info import CgroupAmount
from keepsane.kernel.mem_usage import (
    CACHE,
    FIXED_SLAB,
    PAGE_TABLES,
    PROGRAMS,
    REST,
    SHARED,
    SLAB,
    STACKS,
    WORDS,
    Part,
)

_NEEDED = ("anon", "file", "shmem", "slab_unreclaimable")
"""Counters of version 2: without one of them the rest would seem to be more than it is."""


def cgroup_parts(usage_kibibytes: int, amounts: Iterable[CgroupAmount]) -> tuple[Part, ...]:
    """
    Split what a group used into parts, the largest first and the rest last.

    Empty where its statistics are missing or not whole.

    The statistics lag behind the counter, so the rest may be a little off.
    """
    stat = {amount.name: amount.value // 1024 for amount in amounts}
    if all(name in stat for name in _NEEDED):
        found = _version_2(stat)
    elif "rss" in stat and "cache" in stat:
        found = _version_1(stat)
    else:
        return ()
    parts = sorted((part for part in found if part.kibibytes > 0), key=lambda part: -part.kibibytes)
    rest = usage_kibibytes - sum(part.kibibytes for part in parts)
    if "anon" not in stat and 2 * rest > usage_kibibytes:
        return ()  # The lines of groups below it may be lost: each counts its own alone.
    what = "the kernel's for it, groups below it and others that no counter names"
    return (*parts, Part(REST, rest, what)) if rest > 0 else tuple(parts)


def _version_2(stat: dict[str, int]) -> Iterator[Part]:
    shared = stat.get("shmem", 0)
    yield Part(PROGRAMS, stat["anon"], WORDS[PROGRAMS])
    yield Part(SHARED, shared, WORDS[SHARED])
    yield Part(CACHE, stat.get("file", 0) - shared, WORDS[CACHE], reclaimable=True)
    yield Part(SLAB, stat.get("slab_reclaimable", 0), WORDS[SLAB], reclaimable=True)
    yield Part(FIXED_SLAB, stat.get("slab_unreclaimable", 0), WORDS[FIXED_SLAB])
    tables = stat.get("pagetables", 0) + stat.get("sec_pagetables", 0)
    yield Part(PAGE_TABLES, tables, WORDS[PAGE_TABLES])
    yield Part(STACKS, stat.get("kernel_stack", 0), WORDS[STACKS])
    yield Part("sockets", stat.get("sock", 0), "buffers of the network")


def _version_1(stat: dict[str, int]) -> Iterator[Part]:
    programs, cache, shared = (
        stat.get(f"total_{name}", stat.get(name, 0)) for name in ("rss", "cache", "shmem")
    )
    yield Part(PROGRAMS, programs, WORDS[PROGRAMS])
    if "shmem" in stat:
        yield Part(SHARED, shared, WORDS[SHARED])
        yield Part(CACHE, cache - shared, WORDS[CACHE], reclaimable=True)
    else:  # before 4.10 they are not told apart
        yield Part(f"{CACHE}, tmpfs", cache, "file contents, tmpfs and shared memory")
