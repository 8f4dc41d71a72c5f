# SPDX-License-Identifier: GPL-2.0-or-later
"""Where memory is: parts against sums made by hand from the log's own lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keepsane.kernel.events.oom_kill.kill import OomKill
from keepsane.kernel.events.oom_kill.tasks import badness_pages, groups, held_pages
from keepsane.kernel.events.show_mem.memcg import cgroup_parts
from keepsane.kernel.events.show_mem.usage import Part, managed_pages, usage
from keepsane.kernel.pages.mem_info import Amount, CgroupAmount, MemInfo, OomTask
from keepsane.words import size_words
from tests.golden import first_of


def _oom(name: str) -> OomKill:
    event = first_of(name)
    assert isinstance(event, OomKill)
    return event


def _sizes(parts: tuple[Part, ...]) -> dict[str, int]:
    return {part.name: part.kibibytes for part in parts}


def test_the_parts_of_a_machine_are_those_counted_by_hand() -> None:
    memory = _oom("rules/oom-machine").memory
    assert memory is not None

    # active_anon:48828 - shmem:23608 = 25220 pages; times 4 kB.
    # 65406 pages RAM - 11135 pages reserved = 54271; less 25220 + 23608 + 1907 + 211 + 575 + 731 + 81 and
    # kernel_stack:1008kB (252 pages) leaves 1686 pages in no counter.
    assert managed_pages(memory) == 54271
    assert _sizes(usage(memory)) == {
        "programs": 100880,
        "shared memory": 94432,
        "slab, fixed": 7628,
        "free, per CPU": 2924,
        "kernel stacks": 1008,
        "slab": 844,
        "page tables": 324,
        "free": 2300,
        "in no counter": 6744,
    }


def test_the_managed_pages_are_those_of_the_zones() -> None:
    memory = _oom("rules/oom-machine").memory
    assert memory is not None
    # Both lines are printed by the kernel on their own: managed:15360kB and managed:201724kB.
    assert sum(part.kibibytes for part in usage(memory)) == 15360 + 201724


def test_the_parts_of_a_control_group_add_up_to_what_it_used() -> None:
    event = _oom("rules/oom-group-limit")
    parts = cgroup_parts(20480, event.cgroup_amounts)

    # anon 18874368 bytes = 18432 kB; file and shmem are both 1048576, so that no page cache is left.
    assert _sizes(parts)["programs"] == 18432
    assert _sizes(parts)["shared memory"] == 1024
    assert "page cache" not in _sizes(parts)
    # 20480 - 18432 - 1024 - 100 - 200 - 256 - 64
    assert _sizes(parts)["in no counter"] == 404


def test_an_old_control_group_counts_the_groups_below_it_where_it_can() -> None:
    stats = (
        ("cache", 4096),
        ("rss", 8192),
        ("shmem", 0),
        ("total_cache", 40960),
        ("total_rss", 81920),
        ("total_shmem", 8192),
    )
    parts = cgroup_parts(128, [CgroupAmount(*stat) for stat in stats])

    assert _sizes(parts) == {"programs": 80, "page cache": 32, "shared memory": 8, "in no counter": 8}


def test_locked_shared_memory_counts_once() -> None:
    totals = (
        ("active_anon", 10),
        ("active_file", 0),
        ("shmem", 30),
        ("unevictable", 25),
        ("slab_unreclaimable", 0),
        ("free", 40),
    )
    memory = MemInfo(
        line=1,
        page_bytes=4096,
        totals=tuple(Amount(*total) for total in totals),
        ram_pages=100,
        reserved_pages=0,
    )
    # 30 pages of shared memory of which 20 are locked; 5 further locked ones.
    assert _sizes(usage(memory)) == {
        "shared memory": 120,
        "unevictable": 20,
        "free": 160,
        "in no counter": 100,
    }


def test_without_the_size_of_memory_there_are_no_parts() -> None:
    assert usage(MemInfo(line=1, page_bytes=4096, totals=(Amount("free", 3), Amount("active_anon", 3)))) == ()


@given(
    st.lists(
        st.tuples(st.sampled_from(["anon", "file", "shmem", "rss", "cache", "sock"]), st.integers(0, 2**60))
    )
)
def test_a_groups_parts_never_fall_short_of_what_it_used(stats: list[tuple[str, int]]) -> None:
    parts = cgroup_parts(1000, [CgroupAmount(*stat) for stat in stats])
    assert not parts or sum(part.kibibytes for part in parts) >= 1000
    assert all(part.kibibytes > 0 for part in parts)


def _task(pid: int, comm: str, rss: int, adjust: int = 0) -> OomTask:
    return OomTask(
        line=pid,
        pid=pid,
        uid=0,
        tgid=pid,
        total_vm_pages=rss,
        rss_pages=rss,
        pgtables_bytes=8192,
        swapents_pages=5,
        oom_score_adj=adjust,
        comm=comm,
    )


def test_a_task_holds_what_the_kernel_counts() -> None:
    # oom_badness(): rss + swapents + pgtables_bytes / PAGE_SIZE, plus adj thousandths of all pages.
    assert held_pages(_task(1, "a", 100), 4096) == 100 + 5 + 2
    assert badness_pages(_task(1, "a", 100, 300), 4096, 10_000) == 107 + 3000
    assert badness_pages(_task(1, "a", 100, -1000), 4096, 10_000) is None


def test_tasks_of_one_name_are_taken_together() -> None:
    first, second = groups([_task(1, "one", 100), _task(2, "many", 60), _task(3, "many", 70)], 4096)
    assert (first.comm, first.pages, len(first.tasks)) == ("many", 60 + 70 + 14, 2)
    assert second.comm == "one"


def test_sizes_are_exact_while_they_are_small() -> None:
    assert [size_words(size) for size in (0, 10239, 10240, 20480, 31211520)] == [
        "0 kB",
        "10239 kB",
        "10 MB",
        "20 MB",
        "29.8 GB",
    ]
