# SPDX-License-Identifier: GPL-2.0-or-later
"""
The memory of a control group that hit its limit.

    memory: usage 20480kB, limit 20480kB, failcnt 44
    swap: usage 0kB, limit 9007199254740988kB, failcnt 0
    Memory cgroup stats for /small:
    anon 20377600
    Memory cgroup stats for /small: cache:12KB rss:20468KB rss_huge:0KB                      3.4 to 5.x, v1
    Task in /small/a killed as a result of limit of /small                                   until 4.20

Source: mm/memcontrol.c, mem_cgroup_print_oom_meminfo(), mem_cgroup_print_oom_context() and
memory_stat_format(); before 5.0 mem_cgroup_print_oom_info().
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from keepsane.kernel.events.show_mem.lines import plain_line
from keepsane.kernel.events.show_mem.usage import (
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
from keepsane.kernel.log.groups import read
from keepsane.kernel.pages.mem_info import CgroupAmount, CgroupUsage
from keepsane.model import LogRecord

NO_LIMIT_KIBIBYTES = 9_007_199_254_740_000
"""From here on a limit is PAGE_COUNTER_MAX, that is none; the exact value depends on the size of a page."""
NO_LIMIT_32_BIT_KIBIBYTES = 8_589_934_588
MAX_AMOUNTS = 200
_USAGE = re.compile(
    r"(?P<name>memory|memory\+swap|swap|kmem): usage (?P<usage_kibibytes>\d{1,20})kB, "
    r"limit (?P<limit_kibibytes>\d{1,20})kB"
    r"(?:, failcnt (?P<failures>\d{1,20}))?"
)
_STATS = re.compile(r"Memory cgroup stats(?: for (?P<group>[^\s:]{1,255}))?:(?P<rest>.*)")
_STAT = re.compile(r"(?P<name>[a-z][a-z0-9_]{2,48}) (?P<value>\d{1,20})$")
_OLD_STAT = re.compile(r"([a-z][a-z_]{2,40}):(\d{1,15})KB")


def parse_cgroup_usage(records: Iterable[LogRecord]) -> tuple[CgroupUsage, ...]:
    """
    Read a group's counters and limits.

    Accepted format:
        memory: usage 20480kB, limit 20480kB, failcnt 44
    """
    found = (_USAGE.match(plain_line(record.text)) for record in records if ": usage " in record.text)
    usages = (read(CgroupUsage, usage) for usage in found if usage)
    return tuple(usage._replace(limit_kibibytes=_limit(usage.limit_kibibytes)) for usage in usages)


def _limit(kibibytes: int | None) -> int | None:
    return (
        None
        if (kibibytes or 0) >= NO_LIMIT_KIBIBYTES or kibibytes == NO_LIMIT_32_BIT_KIBIBYTES
        else kibibytes
    )


def parse_cgroup_amounts(records: Iterable[LogRecord]) -> tuple[CgroupAmount, ...]:
    """
    Read the statistics of the first group printed; those of the groups below it are passed over.

    Where each group has a line, none of them counts the groups below: all lines are added up.

    Accepted format:
        anon 20377600
        cache:12KB rss:20468KB rss_huge:0KB

    Sizes are in bytes.
    """
    amounts: list[CgroupAmount] = []
    lines: Counter[str] = Counter()
    inside = False
    for record in records:
        if not inside and "emory cgroup stats" not in record.text:
            continue
        text = plain_line(record.text)
        if head := _STATS.match(text):
            if inside and not lines:
                break
            inside = True
            lines.update({name: int(kib) * 1024 for name, kib in _OLD_STAT.findall(head["rest"])})
        elif inside and not lines and (stat := _STAT.match(text)) and len(amounts) < MAX_AMOUNTS:
            amounts.append(CgroupAmount(stat["name"], int(stat["value"])))
    return tuple(amounts) or tuple(CgroupAmount(name, size) for name, size in lines.items())[:MAX_AMOUNTS]


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
