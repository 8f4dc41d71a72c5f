# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the tasks of the OOM killer's table hold, by the kernel's own measure.

    [  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents ... name
    [    143]     0   143    25462    25259    24928        0       331         241664        0 ... tail

A task holds its resident pages, its pages in swap and its page tables: 25259 + 0 + 241664 / 4096 = 25318.
`oom_score_adj` adds so many thousandths of all memory; -1000 exempts a task. Pages that tasks share count for
each of them. Source: mm/oom_kill.c, oom_badness().
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from keepsane.kernel.mem_info import OomTask

EXEMPT = -1000
"""The oom_score_adj with which a task is never chosen (OOM_SCORE_ADJ_MIN)."""


class TaskGroup(NamedTuple):
    """All tasks of one name: how many, and what they hold together, shared pages counted for each."""

    comm: str
    tasks: tuple[OomTask, ...]
    pages: int


def held_pages(task: OomTask, page_bytes: int) -> int:
    """Give what a task holds in pages; page tables count as far as this kernel prints them."""
    tables = task.nr_ptes if task.pgtables_bytes is None else task.pgtables_bytes // page_bytes
    return task.rss_pages + (task.swapents_pages or 0) + (tables or 0)


def badness_pages(task: OomTask, page_bytes: int, total_pages: int) -> int | None:
    """Give a task's badness with its oom_score_adj; None for one that is exempt."""
    adjust = task.oom_score_adj or 0
    if adjust <= EXEMPT:
        return None
    return held_pages(task, page_bytes) + adjust * (total_pages // 1000)


def groups(tasks: Iterable[OomTask], page_bytes: int) -> tuple[TaskGroup, ...]:
    """Give the tasks by name, the group that holds most first."""
    named: dict[str, list[OomTask]] = {}
    for task in tasks:
        named.setdefault(task.comm, []).append(task)
    made = (
        TaskGroup(comm, tuple(some), sum(held_pages(task, page_bytes) for task in some))
        for comm, some in named.items()
    )
    return tuple(sorted(made, key=lambda group: -group.pages))
