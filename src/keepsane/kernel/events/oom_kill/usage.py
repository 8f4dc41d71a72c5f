# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the memory went when it ran out: parts of the whole, and who holds the largest."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.oom_kill.cause import cause
from keepsane.kernel.events.oom_kill.kill import OomKill
from keepsane.kernel.events.oom_kill.tasks import TaskGroup, groups, held_pages
from keepsane.kernel.events.show_mem import usage as mem_usage
from keepsane.kernel.events.show_mem.memcg import cgroup_parts
from keepsane.kernel.events.show_mem.usage import PROGRAMS, Part
from keepsane.kernel.log.quote import quote, quote_head, quote_line, some
from keepsane.report import Advice, Evidence, Finding, Share
from keepsane.words import share_words, size_words

_SHOWN_CACHES = 3
_MOST_OVER = 1.1
"""Counters are read one after another, so parts may exceed the whole a little; more is no reading of it."""
_LINES = {
    mem_usage.PROGRAMS: (
        (
            re.compile(r"(?<![a-z_])active_anon:\d{1,20} "),
            "programs: active_anon + inactive_anon + isolated_anon - shmem, in pages",
        ),
        (re.compile(r"^\s*anon \d"), "programs, in bytes"),
        (re.compile(r"(?<![a-z_])rss:[1-9]"), "programs; the groups below it are added"),
        (re.compile(r"(?<![a-z_])rss \d"), "programs, in bytes"),
    ),
    mem_usage.SHARED: (
        (re.compile(r"shmem:\d{1,20} "), "in pages"),
        (re.compile(r"^\s*shmem \d"), "in bytes"),
        (re.compile(r"shmem:\d{1,20}KB"), ""),
    ),
    mem_usage.CACHE: (
        (re.compile(r"active_file:\d{1,20} inactive_file"), "page cache, in pages"),
        (re.compile(r"^\s*file \d"), "page cache and shmem, in bytes"),
        (re.compile(r"(?<![a-z_])cache:[1-9]"), "page cache and shmem; the groups below it are added"),
        (re.compile(r"(?<![a-z_])cache \d"), "page cache and shmem, in bytes"),
    ),
    mem_usage.SLAB: (
        (re.compile(r"slab_reclaimable:\d{1,20} "), "in pages"),
        (re.compile(r"^\s*slab_reclaimable \d"), "in bytes"),
    ),
    mem_usage.FIXED_SLAB: (
        (re.compile(r"slab_unreclaimable:\d{1,20}\s*+$"), "in pages"),
        (re.compile(r"^\s*slab_unreclaimable \d"), "in bytes"),
    ),
    mem_usage.PAGE_TABLES: (
        (re.compile(r"\bpagetables:\d{1,20}(?!\d{0,20}kB)"), "in pages"),
        (re.compile(r"^\s*pagetables \d"), "in bytes"),
    ),
    mem_usage.HUGE_PAGES: ((re.compile(r"hugepages_total=[1-9]"), "set aside"),),
    mem_usage.STACKS: (
        (re.compile(r"kernel_stack:\d"), ""),
        (re.compile(r"^\s*kernel_stack \d"), "in bytes"),
    ),
}
"""By the part, the lines that count it, of which the first that is there is quoted, and in what."""
_WHOLE = (
    (re.compile(r"\d pages RAM"), "all pages"),
    (re.compile(r"\d pages reserved"), "less these: what there was to use"),
)
_GROUP_USAGE = re.compile(r"(?<!\+)memory: usage \d")


@rule("oom-where-it-went", on=OomKill)
def oom_where_it_went(event: OomKill, *, large: float = 0.2, most_shown: int = 8) -> Iterator[Finding]:
    """
    Where the memory was when it ran out, and who held the largest part.

    What it means: all memory is split by what it is used for. Where programs hold the largest part, those
    that hold most are named. Where it is tmpfs, the kernel's own objects, huge pages or nothing that is
    counted, no process is the culprit, and killing any frees little.

    How we know: the kernel's counters are subtracted from the memory that it manages, or from what the
    control group used; what remains is in no counter. A process holds its resident pages, its pages in swap
    and its page tables, as the kernel counts them when it chooses whom to kill.

    What to do: look at the largest part first. The advice says what shows more of it.

    When it is wrong: counters are read one after another while memory moves, so parts may be a little off.
    Pages that processes share count for each of them. The table of tasks does not have those that were killed
    before, and none of other containers where a control group ran out. Where only some nodes were allowed,
    nothing is said: the counters are those of all nodes.
    """
    if cause(event) in ("by-hand", "nodes"):
        return
    parts = _parts(event)
    if not parts or (event.memory is not None and event.memory.elisions):
        raise CannotTell(_missing(event))
    printed = _printed_kibibytes(event)
    if printed is not None and sum(part.kibibytes for part in parts) > _MOST_OVER * printed:
        raise CannotTell(f"the parts add up to more than the {size_words(printed)} that there were to use")
    whole = sum(part.kibibytes for part in parts)
    largest = max(parts, key=lambda part: part.kibibytes)
    if largest.name == mem_usage.FREE:
        return
    big = [part for part in parts if part.kibibytes >= large * whole]
    holders = holders_of(event, parts)
    evidence = [_quote(event, part.name) for part in big or [largest]]
    if largest.name == mem_usage.PROGRAMS:
        evidence += [quote_holder(event, group) for group in holders]
    named = holders if largest.name == mem_usage.PROGRAMS else ()
    said = (_says(event, largest, holders), killed_words(event, named), *_more(event, big, largest))
    yield Finding(
        severity="warning",
        confidence="medium" if event.memory and event.memory.lacks else "high",
        title=_title(event, largest, whole, holders),
        evidence=some(*evidence, *_quote_whole(event)) or (quote_head(event),),
        explanation=" ".join(filter(None, said)),
        advice=tuple(_advice(largest)),
        references=("mm/show_mem.c, __show_mem()", "Documentation/filesystems/proc.rst"),
        shares=_shares(parts, most_shown),
    )


def _printed_kibibytes(event: OomKill) -> int | None:
    """Give what the report says there was to use: the group's usage, or the pages that the kernel manages."""
    if cause(event) == "cgroup":
        return next(
            (counter.usage_kibibytes for counter in event.cgroup_usage if counter.name == "memory"), None
        )
    pages = mem_usage.managed_pages(event.memory) if event.memory else None
    return None if pages is None or event.memory is None else pages * event.memory.page_bytes // 1024


def _parts(event: OomKill) -> tuple[Part, ...]:
    if cause(event) == "cgroup":
        used = next(
            (counter.usage_kibibytes for counter in event.cgroup_usage if counter.name == "memory"), None
        )
        return () if used is None else cgroup_parts(used, event.cgroup_amounts)
    return mem_usage.usage(event.memory) if event.memory else ()


def _missing(event: OomKill) -> str:
    if cause(event) == "cgroup":
        return "the group's usage or its statistics are missing"
    if event.memory is None:
        return event.damage or "the report has no Mem-Info"
    return event.memory.lacks or "this kernel does not print the counters for it"


def _title(event: OomKill, largest: Part, whole: int, holders: tuple[TaskGroup, ...]) -> str:
    share = f"{share_words(100 * largest.kibibytes / whole)} of {size_words(whole)}"
    if largest.name == mem_usage.PROGRAMS and holders:
        first = holders[0]
        count = f"{len(first.tasks)} {first.comm} together" if len(first.tasks) > 1 else first.comm
        swap = ", swap included" if any(task.swapents_pages for task in first.tasks) else ""
        return f"programs hold {share}, first of all {count}: up to {event.size_of(first.pages)}{swap}"
    name = {mem_usage.REST: "what no counter names", mem_usage.FIXED_SLAB: "the kernel's own objects (slab)"}
    verb = (
        "hold"
        if largest.name in (mem_usage.PROGRAMS, mem_usage.HUGE_PAGES, mem_usage.FIXED_SLAB)
        else "holds"
    )
    return f"{name.get(largest.name, largest.name)} {verb} {share}"


def _says(event: OomKill, largest: Part, holders: tuple[TaskGroup, ...]) -> str:
    if largest.name == mem_usage.PROGRAMS:
        return programs_words(event, holders)
    if largest.reclaimable:
        return "The kernel can take that back, so it is not why memory ran out, unless it is dirty or in use."
    said = "No process is the culprit: killing one frees nothing of that."
    if largest.name == mem_usage.SHARED:
        return (
            "Killing a process frees nothing of that, unless it was the last to use the segment or the file."
        )
    if largest.name == mem_usage.FIXED_SLAB:
        return f"{said} {_caches(event)}".strip()
    if largest.name == mem_usage.HUGE_PAGES and event.memory:
        free = sum(pool.free * pool.size_kibibytes for pool in event.memory.hugepages)
        return f"{said} Of these pools {size_words(free)} are not in use."
    if largest.name == mem_usage.REST and event.memory and not event.memory.hugepages:
        return f"{said} Huge pages would be in it too: their pools are not printed."
    return said


def _caches(event: OomKill) -> str:
    slabs = sorted(event.memory.slabs if event.memory else (), key=lambda slab: -slab.total_kibibytes)
    named = [f"{slab.name} {size_words(slab.total_kibibytes)}" for slab in slabs[:_SHOWN_CACHES]]
    return f"The largest caches: {', '.join(named)}." if named else ""


def _more(event: OomKill, big: list[Part], largest: Part) -> Iterator[str]:
    others = [f"{part.name} {size_words(part.kibibytes)}" for part in big if part is not largest]
    if others:
        yield f"Large too: {', '.join(others)}."
    swap = event.memory
    if swap and swap.swap_total_kibibytes and swap.swap_free_kibibytes is not None:
        used = swap.swap_total_kibibytes - swap.swap_free_kibibytes
        # While swap is taken away less than nothing is free.
        if 0 < used <= swap.swap_total_kibibytes:
            yield f"Beyond that {size_words(used)} lie in swap."


def _quote(event: OomKill, name: str) -> Evidence | None:
    found = (quote(event, pattern, note) for pattern, note in _LINES.get(name, ()))
    return next(filter(None, found), None)


def _quote_whole(event: OomKill) -> tuple[Evidence | None, ...]:
    if cause(event) == "cgroup":
        return (quote(event, _GROUP_USAGE, "the whole"),)
    return tuple(quote(event, pattern, note) for pattern, note in _WHOLE)


def _shares(parts: tuple[Part, ...], most: int) -> tuple[Share, ...]:
    """Give the parts, the largest first; those beyond the limit are added up."""
    ordered = sorted(parts, key=lambda part: -part.kibibytes)
    most += len(ordered) == most + 1
    shown = [Share(part.name, part.kibibytes, part.what) for part in ordered[:most]]
    if rest := ordered[most:]:
        names = ", ".join(part.name for part in rest)
        shown.append(Share("others", sum(part.kibibytes for part in rest), names))
    return tuple(shown)


_SHOWS = {
    mem_usage.SHARED: ("see which tmpfs and which shared memory it is", "df -h -t tmpfs; ipcs -m"),
    mem_usage.FIXED_SLAB: ("see which cache grows", "sudo slabtop -o -s c"),
    mem_usage.PAGE_TABLES: (
        "see who maps so much: many processes on one large mapping each have their own tables",
        "grep VmPTE /proc/[0-9]*/status | sort -n -k 2 | tail",
    ),
    mem_usage.REST: (
        "see what of it vmalloc has; the rest is drivers', zram's or a balloon's",
        "sudo cat /proc/vmallocinfo",
    ),
    mem_usage.HUGE_PAGES: (
        "see which pools are set aside and what of them is in use",
        "grep -i huge /proc/meminfo",
    ),
}
"""By the part, what shows more of it."""


def _advice(largest: Part) -> Iterator[Advice]:
    if shows := _SHOWS.get(largest.name):
        yield Advice(
            text=shows[0],
            command=shows[1],
            undo="nothing is changed",
            verify="run it again after a while: what grows is it",
        )
    elif largest.name == mem_usage.PROGRAMS:
        yield Advice(
            text="give the program that holds most a limit of its own, so that it cannot take the others "
            "with it, or find out why it needs so much",
            verify="its 'rss' in the next report, or VmRSS in /proc/PID/status while it runs",
            risk="at its limit it is killed itself",
        )


_SHOWN_TASKS = 3
_WORTH_NAMING = 10
"""A program that holds less than this part of the largest is not named."""


def holders_of(event: OomKill, parts: tuple[Part, ...]) -> tuple[TaskGroup, ...]:
    """Give the programs that hold most; none where the table is not whole or does not explain the part."""
    page = event.page_bytes // 1024
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
    first, page = holders[0], event.page_bytes
    most = first.tasks[0]
    said = (
        f"{first.comm} (pid {most.pid}) holds {held_pages(most, page)} pages: {most.rss_pages} resident, "
        f"{most.swapents_pages or 0} in swap, the rest page tables."
    )
    if len(first.tasks) > 1:
        said = f"Of these {len(first.tasks)}, the largest: {said} Pages that they share count for each."
    others = [f"{group.comm} {event.size_of(group.pages)}" for group in holders[1:]]
    return said + (f" Then comes {' and '.join(others)}." if others else "")


def killed_words(event: OomKill, holders: tuple[TaskGroup, ...]) -> str:
    """Say whether what was killed is what held most of all `holders`, or how little it held."""
    victim = next(iter(event.victims), None)
    if victim is None or not victim.certain:
        return ""
    row = next((task for task in event.tasks if task.pid == victim.pid), None)
    if holders and holders[0].tasks[0] is row:
        return f"It is {victim.comm} (pid {victim.pid}) that was killed."
    size = event.size_of(held_pages(row, event.page_bytes)) if row else None
    return f"Killed was {victim.comm} (pid {victim.pid})" + (f", which held {size}." if size else ".")


def quote_holder(event: OomKill, group: TaskGroup) -> Evidence | None:
    """Quote the row of the largest task of a group."""
    return quote_line(event, group.tasks[0].line, f"in pages of {size_words(event.page_bytes // 1024)}")
