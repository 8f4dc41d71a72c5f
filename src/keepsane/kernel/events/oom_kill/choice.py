# SPDX-License-Identifier: GPL-2.0-or-later
"""Whom the OOM killer chose, whether that helped, and whether it had to choose again and again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.oom_kill.cause import cause
from keepsane.kernel.events.oom_kill.kill import OomKill
from keepsane.kernel.events.oom_kill.tasks import EXEMPT, badness_pages, held_pages
from keepsane.kernel.events.oom_kill.victim import Victim
from keepsane.kernel.events.show_mem.usage import managed_pages
from keepsane.kernel.log.quote import quote, quote_line, some
from keepsane.kernel.pages.mem_info import OomTask
from keepsane.model import LogSummary
from keepsane.report import Advice, Finding
from keepsane.words import group_words, size_words

_ALLOCATING = re.compile(r"oom_kill_allocating_task")
_UNEXPLAINED = "The numbers of the report do not explain the choice."
_CHOSEN = re.compile(r"Kill process (?P<pid>\d{1,10}) \(.{1,32}?\)")


class _Choice(NamedTuple):
    """The task that was killed, and the largest one, which was not."""

    victim: OomTask
    largest: OomTask


@rule("oom-victim-not-largest", on=OomKill)
def oom_victim_not_largest(event: OomKill, *, margin: float = 0.1) -> Iterator[Finding]:
    """
    Another task held more than the one that was killed.

    What it means: the process that died is not the one that used most. It had to give way to one that is
    protected, or that its own oom_score_adj made less likely to be chosen.

    How we know: in the table of tasks another row has clearly more resident pages, swap and page tables. The
    kernel adds oom_score_adj thousandths of all memory to that and chooses the largest sum; -1000 exempts a
    task. Where these numbers explain the choice, that is said.

    What to do: look at the task that holds most. Protect with oom_score_adj only what must survive and is
    known not to grow: what is protected is not killed even when it is the leak.

    When it is wrong: sizes move between the choice and the table, a task that is exiting is passed over, and
    before 5.3 a child could be killed in its parent's place. Shared pages count for each task.
    """
    victim = next(iter(event.victims), None)
    if victim is None or not victim.certain or cause(event) == "by-hand":
        return
    lacks = _lacks(event, victim)
    if lacks:
        raise CannotTell(lacks)
    choice = _choice(event, victim)
    if choice is None:
        return
    page = event.page_bytes
    held, most = held_pages(choice.victim, page), held_pages(choice.largest, page)
    if most <= held * (1 + margin):
        return
    why = _why(event, choice)
    yield Finding(
        severity="note",
        confidence="high" if why else "low",
        title=f"{victim.comm} (pid {victim.pid}) was killed, but {choice.largest.comm} "
        f"(pid {choice.largest.pid}) held more: {event.size_of(most)}",
        evidence=some(
            quote_line(event, choice.largest.line, f"holds {most} pages"),
            quote_line(event, choice.victim.line, f"holds {held} pages"),
            quote_line(event, victim.line, "what was killed"),
        ),
        explanation=f"{why or _UNEXPLAINED} {_freed(victim)}".strip(),
        advice=(_LOOK,),
        references=("mm/oom_kill.c, oom_badness()", "Documentation/filesystems/proc.rst, oom_score_adj"),
    )


_LOOK = Advice(
    text="list what protects and what exposes: the oom_score_adj of all processes, the most protected first",
    command="grep -H . /proc/[0-9]*/oom_score_adj | sort -t : -n -k 2",
    undo="nothing is changed",
    verify="the process that held most has the value that you want it to have",
)


def _lacks(event: OomKill, victim: Victim) -> str:
    if not event.tasks:
        return "there is no table of tasks to compare the killed one with"
    if event.tasks_left_out:
        return f"{event.tasks_left_out} rows of the table of tasks are damaged or left out"
    if any(task.swapents_pages is None for task in event.tasks):
        return "this kernel's table of tasks does not show what its choice rests on"
    if all(victim.pid != task.pid for task in event.tasks):
        return f"the killed process {victim.pid} is not in the table of tasks"
    return ""


def _choice(event: OomKill, victim: Victim) -> _Choice | None:
    page = event.page_bytes
    killed = next(task for task in event.tasks if task.pid == victim.pid)
    largest = max(event.tasks, key=lambda task: held_pages(task, page))
    return None if largest is killed else _Choice(killed, largest)


def _why(event: OomKill, choice: _Choice) -> str:
    """Say why the larger task was not chosen; "" where the numbers do not explain it."""
    if quote(event, _ALLOCATING):
        return "vm.oom_kill_allocating_task is set: whoever asks is killed, whatever it holds."
    first = next((found for record in event.records if (found := _CHOSEN.search(record.text))), None)
    if first and int(first["pid"]) == choice.largest.pid:
        return "The larger one was chosen, and a child was killed in its place."
    if (choice.largest.oom_score_adj or 0) <= EXEMPT:
        return f"{choice.largest.comm} is exempt: its oom_score_adj is {choice.largest.oom_score_adj}."
    return _adjusted(event, choice)


def _adjusted(event: OomKill, choice: _Choice) -> str:
    total, page = _total_pages(event), event.page_bytes
    if total is None:
        return ""
    killed, largest = (badness_pages(task, page, total) for task in choice)
    if killed is None or largest is None or killed <= largest:
        return ""
    return (
        f"By oom_score_adj {choice.victim.comm} counts {killed} pages ({choice.victim.oom_score_adj} "
        f"thousandths of {total} pages added), {choice.largest.comm} {largest} "
        f"({choice.largest.oom_score_adj} thousandths)."
    )


def _total_pages(event: OomKill) -> int | None:
    """Give the pages that oom_score_adj is a part of: RAM and swap, or the group's limit; None if unknown."""
    page = event.page_bytes // 1024
    if cause(event) == "cgroup":
        limits = {counter.name: counter.limit_kibibytes for counter in event.cgroup_usage}
        # How much swap a group may use depends on how much there is, which is not printed.
        whole = limits.get("memory") if limits.get("swap") == 0 else limits.get("memory+swap")
        return whole // page if whole else None
    if event.memory is None or (managed := managed_pages(event.memory)) is None:
        return None
    return managed + (event.memory.swap_total_kibibytes or 0) // page


def _freed(victim: Victim) -> str:
    if victim.anon_rss_kibibytes is None:
        return ""
    size = size_words(victim.anon_rss_kibibytes)
    return f"{victim.comm} had {size} of memory of its own to give back (anon-rss)."


@rule("oom-kills-repeat", on=LogSummary)
def oom_kills_repeat(log: LogSummary, *, least: int = 3, most_quoted: int = 5) -> Iterator[Finding]:
    """
    The OOM killer had to kill again and again.

    What it means: killing did not help for long. Either the limit is too small for the work, or what holds
    the memory is not what gets killed, or it is started again each time and grows again.

    How we know: several reports of one boot killed for the same reason: the machine's memory, or the limit of
    the same control group.

    What to do: one process killed each time: see who starts it again and what it needs. Different ones: see
    where the memory is; probably none of them holds it.

    When it is wrong: reports that lie weeks apart need not have one cause; compare their times. A log that
    was cut or rate limited has fewer than there were.
    """
    reports: dict[tuple[int, str], list[tuple[OomKill, Victim]]] = {}
    for event in log.events:
        where = _short_of(event) if isinstance(event, OomKill) else None
        if isinstance(event, OomKill) and where is not None:
            sure = [(event, victim) for victim in event.victims[:1] if victim.certain]
            reports.setdefault((event.boot, where), []).extend(sure)
    for (_, where), kills in reports.items():
        if len(kills) >= least:
            yield _repeated(where, kills, most_quoted)


def _short_of(event: OomKill) -> str | None:
    """Give the group whose limit was hit, "" for the machine; None where neither is certain."""
    if cause(event) == "cgroup":
        return event.cgroup
    return "" if event.global_oom and cause(event) in ("global", "free-again", None) else None


def _repeated(where: str, kills: list[tuple[OomKill, Victim]], most: int) -> Finding:
    names = Counter(victim.comm for _, victim in kills).most_common(4)
    whom = ", ".join(f"{comm} {count} times" if count > 1 else comm for comm, count in names)
    place = f"in the control group {group_words(where)}" if where else "for want of the machine's memory"
    alone = len(names) == 1
    return Finding(
        severity="warning",
        confidence="medium",
        title=f"the OOM killer killed {len(kills)} times {place}",
        evidence=some(*(quote_line(event, victim.line) for event, victim in kills[:most])),
        explanation=f"Killed were: {whom}{_over(kills)}. "
        + (
            "The same program each time: it is started again and grows again, or its limit is too small."
            if alone
            else "Different programs: those killed are probably not what holds the memory."
        ),
        advice=(
            Advice(
                text="do not raise a limit a little at a time: read in the first of these reports where the "
                "memory was, and whether it is more in each later one",
            ),
        ),
        references=("mm/oom_kill.c, out_of_memory()",),
    )


def _over(kills: list[tuple[OomKill, Victim]]) -> str:
    """Say in how much time; "" where the log has no times."""
    times = [event.records[0].seconds for event, _ in (kills[0], kills[-1]) if event.records]
    if len(times) < 2 or times[0] is None or times[1] is None or times[1] < times[0]:
        return ""
    return f", within {times[1] - times[0]:.0f} seconds"
