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
from collections.abc import Iterable

from keepsane.kernel.mem_info import CgroupAmount, CgroupUsage
from keepsane.kernel.memory_line import plain_line
from keepsane.model import LogRecord

NO_LIMIT_KIBIBYTES = 9_007_199_254_740_000
"""From here on a limit is PAGE_COUNTER_MAX, that is none; the exact value depends on the size of a page."""
NO_LIMIT_32_BIT_KIBIBYTES = 8_589_934_588
MAX_AMOUNTS = 200
_USAGE = re.compile(
    r"(?P<name>memory|memory\+swap|swap|kmem): usage (?P<usage>\d{1,20})kB, limit (?P<limit>\d{1,20})kB"
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
    return tuple(
        CgroupUsage(
            name=one["name"],
            usage_kibibytes=int(one["usage"]),
            limit_kibibytes=_limit(int(one["limit"])),
            failures=int(one["failures"]) if one["failures"] else None,
        )
        for one in found
        if one
    )


def _limit(kibibytes: int) -> int | None:
    return None if kibibytes >= NO_LIMIT_KIBIBYTES or kibibytes == NO_LIMIT_32_BIT_KIBIBYTES else kibibytes


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
