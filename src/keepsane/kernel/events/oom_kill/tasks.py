# SPDX-License-Identifier: GPL-2.0-or-later
"""
The table of tasks the OOM killer could choose from.

    [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name   since 4.15
    [    143]     0   143    25462    25259   241664        0             0 tail
    [ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name            3.3 to 4.14
    [ pid ]   uid  tgid total_vm      rss cpu oom_adj name                               2.6.27 to 2.6.35

The columns are read from the head: they changed often. Source: mm/oom_kill.c, dump_tasks().
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from keepsane.kernel.events.show_mem.lines import plain_line
from keepsane.kernel.pages.mem_info import OomTask
from keepsane.model import LogRecord

MAX_TASKS = 20_000
_HEAD = re.compile(r"\[\s*+pid\s*+\]\s++uid\s++(?P<columns>[a-z_ ]{10,200}) name$")
_ROW = re.compile(r"\[\s*+(?P<pid>\d{1,10})\]\s++(?P<rest>-?\d{1,20}\s++-?\d{1,20}\s.{3,500})$")


_IN_PAGES = ("total_vm", "rss", "rss_anon", "rss_file", "rss_shmem", "swapents")
_FIELDS = {"oom_adj": "oom_score_adj"} | {column: f"{column}_pages" for column in _IN_PAGES}


class TaskTable(NamedTuple):
    """The rows kept, and how many were not: beyond MAX_TASKS, damaged, or of a table without its head."""

    tasks: tuple[OomTask, ...]
    left_out: int


def parse_tasks(records: Iterable[LogRecord]) -> TaskTable:
    """
    Read the table of tasks from the lines of a block; lines of others in between are passed over.

    Accepted format:
        [  390]     0   390    39012     6739      78       51             0 systemd-journal
    """
    columns: list[str] = []
    tasks: list[OomTask] = []
    left_out = 0
    for record in records:
        if "[" not in record.text:
            continue
        text = plain_line(record.text)
        if head := _HEAD.match(text):
            columns = ["uid", *head["columns"].split()]
        elif row := _ROW.match(text):
            task = _task(record.line, row, columns) if len(tasks) < MAX_TASKS else None
            tasks += [task] if task else []
            left_out += task is None
    return TaskTable(tuple(tasks), left_out)


def _task(line: int, row: re.Match[str], columns: Sequence[str]) -> OomTask | None:
    """Read a row by the columns of the head; a name may begin with a number and hold blanks."""
    parts = row["rest"].split(None, len(columns))
    if not columns or len(parts) <= len(columns):
        return None
    numbers = [int(part) for part in parts[:-1] if re.fullmatch(r"-?\d{1,20}", part)]
    if len(numbers) < len(columns):
        return None
    said = dict(zip(columns, numbers, strict=True))
    if "total_vm" not in said or "rss" not in said:
        return None
    named = {_FIELDS.get(column, column): number for column, number in said.items()}
    known = {name: number for name, number in named.items() if name in OomTask.__dataclass_fields__}
    return OomTask(line=line, pid=int(row["pid"]), comm=parts[-1], **known)


EXEMPT = -1000
"""The oom_score_adj with which a task is never chosen (OOM_SCORE_ADJ_MIN)."""


class TaskGroup(NamedTuple):
    """All tasks of one name, the largest first, and what they hold; shared pages count for each."""

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
    made = []
    for comm, some in named.items():
        some.sort(key=lambda task: -held_pages(task, page_bytes))
        made.append(TaskGroup(comm, tuple(some), sum(held_pages(task, page_bytes) for task in some)))
    return tuple(sorted(made, key=lambda group: -group.pages))
