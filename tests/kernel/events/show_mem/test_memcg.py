# SPDX-License-Identifier: GPL-2.0-or-later
"""A control group's counters and statistics, of both versions."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from keepsane.kernel.events.show_mem.memcg import parse_cgroup_amounts, parse_cgroup_usage
from keepsane.kernel.pages.mem_info import CgroupAmount, CgroupUsage
from tests.lines import records

V2 = """\
memory: usage 20480kB, limit 20481kB, failcnt 44
swap: usage 3kB, limit 9007199254740988kB, failcnt 0
Memory cgroup stats for /small:
anon 20377600
                          file 0
not a statistic at all
slab_reclaimable 4096
"""
V1 = """\
memory: usage 102400kB, limit 102400kB, failcnt 7
memory+swap: usage 102400kB, limit 18014398509481983kB, failcnt 0
kmem: usage 0kB, limit 18014398509481983kB, failcnt 0
Memory cgroup stats for /a: cache:12KB rss:102190KB rss_huge:0KB
Memory cgroup stats for /a/b: cache:99KB rss:99KB
"""


def test_version_2() -> None:
    assert parse_cgroup_usage(records(V2.splitlines())) == (
        CgroupUsage("memory", 20480, 20481, 44),
        CgroupUsage("swap", 3, None, 0),
    )
    assert parse_cgroup_amounts(records(V2.splitlines())) == (
        CgroupAmount("anon", 20377600),
        CgroupAmount("file", 0),
        CgroupAmount("slab_reclaimable", 4096),
    )


def test_version_1_and_its_groups_below() -> None:
    assert [one.name for one in parse_cgroup_usage(records(V1.splitlines()))] == [
        "memory",
        "memory+swap",
        "kmem",
    ]
    # mem_cgroup_print_oom_info() prints what each group has itself: 12 + 99 kB and 102190 + 99 kB in bytes,
    # together the 102400 kB that /a uses.
    assert parse_cgroup_amounts(records(V1.splitlines())) == (
        CgroupAmount("cache", 113664),
        CgroupAmount("rss", 104743936),
        CgroupAmount("rss_huge", 0),
    )


@settings(deadline=None)
@given(st.lists(st.one_of(st.text(max_size=60), st.sampled_from((V1 + V2).splitlines())), max_size=20))
def test_any_lines(lines: list[str]) -> None:
    parse_cgroup_usage(tuple(records(lines)))
    parse_cgroup_amounts(records(lines))
