# SPDX-License-Identifier: GPL-2.0-or-later
"""Which programs hold most of the memory, by the table of tasks of an OOM report."""

from __future__ import annotations

from keepsane.kernel.mem_usage import PROGRAMS, Part
from keepsane.kernel.oom import OomKill
from keepsane.kernel.task_memory import TaskGroup, groups, held_pages
from keepsane.model import Evidence
from keepsane.rules.oom_cause import kibibytes_of_page, pages_words
from keepsane.rules.quote import quote_line

_SHOWN_TASKS = 3
_WORTH_NAMING = 10
"""A program that holds less than this part of the largest is not named."""


def holders_of(event: OomKill, parts: tuple[Part, ...]) -> tuple[TaskGroup, ...]:
    """Give the programs that hold most; none where the table is not whole or does not explain the part."""
    page = kibibytes_of_page(event)
    if not event.tasks or event.tasks_left_out or not event.victims:
        return ()
    programs = sum(part.kibibytes for part in parts if part.name == PROGRAMS)
    named = groups(event.tasks, page * 1024)
    if 2 * page * sum(group.pages for group in named) < programs:
        return ()
    return tuple(group for group in named if group.pages * _WORTH_NAMING >= named[0].pages)[:_SHOWN_TASKS]


def programs_words(event: OomKill, holders: tuple[TaskGroup, ...]) -> str:
    """Say what the programs that hold most hold, with the numbers of their rows."""
    if not holders:
        return "Which program that is, the report does not show: its table of tasks is missing or not whole."
    first, page = holders[0], kibibytes_of_page(event) * 1024
    most = max(first.tasks, key=lambda task: held_pages(task, page))
    said = (
        f"{first.comm} (pid {most.pid}) holds {held_pages(most, page)} pages: {most.rss_pages} resident, "
        f"{most.swapents_pages or 0} in swap, the rest page tables."
    )
    if len(first.tasks) > 1:
        said = f"Of these {len(first.tasks)}, the largest: {said} Pages that they share count for each."
    others = [f"{group.comm} {pages_words(event, group.pages)}" for group in holders[1:]]
    return said + (f" Then comes {' and '.join(others)}." if others else "")


def killed_words(event: OomKill, holders: tuple[TaskGroup, ...]) -> str:
    """Say whether what was killed is what held most of all `holders`, or how little it held."""
    victim, page = next(iter(event.victims), None), kibibytes_of_page(event) * 1024
    if victim is None or not victim.certain:
        return ""
    row = next((task for task in event.tasks if task.pid == victim.pid), None)
    if holders and row and max(holders[0].tasks, key=lambda task: held_pages(task, page)) is row:
        return f"It is {victim.comm} (pid {victim.pid}) that was killed."
    size = pages_words(event, held_pages(row, page)) if row else None
    return f"Killed was {victim.comm} (pid {victim.pid})" + (f", which held {size}." if size else ".")


def quote_holder(event: OomKill, group: TaskGroup) -> Evidence | None:
    """Quote the row of the largest task of a group."""
    page = kibibytes_of_page(event) * 1024
    most = max(group.tasks, key=lambda task: held_pages(task, page))
    return quote_line(event, most.line, f"in pages of {page // 1024} kB")
