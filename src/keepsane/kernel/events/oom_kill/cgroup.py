# SPDX-License-Identifier: GPL-2.0-or-later
"""OOM kills for the limit of a control group."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.oom_kill.cause import (
    cause,
    quote_asked,
    quote_constraint,
    who_asked,
)
from keepsane.kernel.events.oom_kill.kill import OomKill
from keepsane.kernel.log.quote import quote, quote_head, quote_line, some
from keepsane.kernel.pages.advice import keep_limit, write
from keepsane.kernel.pages.ledger import LARGEST_ORDER
from keepsane.kernel.pages.mem_info import CgroupUsage
from keepsane.report import Advice, Evidence, Finding
from keepsane.words import group_words, size_words

_BATCH_KIBIBYTES = 64 * 4
"""A group's memory is charged in batches (MEMCG_CHARGE_BATCH): so near to its limit it is full."""
_MEBIBYTE = 1024
_TOGETHER = re.compile(r"are going to be killed due to memory\.oom\.group set")


@rule("oom-cgroup-limit", on=OomKill)
def oom_cgroup_limit(event: OomKill) -> Iterator[Finding]:
    """
    A control group reached its own limit; the machine may have had plenty.

    What it means: a container or service used all the memory that its group is allowed, and nothing of it
    could be reclaimed. Only processes of the group can be killed for that.

    How we know: the kernel names the group and prints its counters: `usage` has come up to `limit`. `failcnt`
    counts how often the limit was hit; most times reclaim still helped.

    What to do: read where the group's memory is. Raise the limit if the work needs it, by what the report
    shows, or find out what grows. The limit belongs into the group's configuration, else it is lost.

    When it is wrong: the group's own limit may be kept by a configuration that writes it again. Memory that
    was freed before the report was printed makes `usage` smaller than it was.
    """
    if cause(event) != "cgroup":
        return
    full = next((counter for counter in event.cgroup_usage if _is_full(counter, event)), None)
    if full is None or full.limit_kibibytes is None:
        raise CannotTell(_below(event))
    limit = size_words(full.limit_kibibytes)
    asked, group = who_asked(event), group_words(event.cgroup or "(not named)")
    times = f" It has hit this limit {full.failures} times since it was made." if full.failures else ""
    yield Finding(
        severity="error",
        confidence="high",
        title=f"the control group {group} used up its {full.name} limit of {limit}",
        evidence=some(quote_asked(event), _quote_usage(event, full), quote_constraint(event))
        or (quote_head(event),),
        explanation=f"{asked + ' ' if asked else ''}The group used {full.usage_kibibytes} kB of the "
        f"{full.limit_kibibytes} kB it may.{times}{_group_swap(event)}{_all_killed(event)} "
        "Whether the machine itself had memory to spare is not printed.",
        advice=tuple(_raise(event, full, full.limit_kibibytes)),
        references=("mm/memcontrol.c, try_charge_memcg()", "Documentation/admin-guide/cgroup-v2.rst"),
    )


def _is_full(counter: CgroupUsage, event: OomKill) -> bool:
    if counter.limit_kibibytes is None or counter.name == "swap":
        return False
    asked = event.page_bytes // 1024 << min(event.order or 0, LARGEST_ORDER)
    return counter.usage_kibibytes + asked + _BATCH_KIBIBYTES >= counter.limit_kibibytes


def _below(event: OomKill) -> str:
    memory = next((counter for counter in event.cgroup_usage if counter.name == "memory"), None)
    if memory is None:
        return "the line with the group's usage and limit is missing"
    if memory.limit_kibibytes is None:
        return "the group has no limit by what was printed"
    return (
        f"when it was printed the group used {memory.usage_kibibytes} kB, less than the "
        f"{memory.limit_kibibytes} kB it may: what was freed before does not show"
    )


def _quote_usage(event: OomKill, full: CgroupUsage) -> Evidence | None:
    start = f"{full.name}: usage "
    found = next((record.line for record in event.records if start in record.text), None)
    return None if found is None else quote_line(event, found, "the counter that reached its limit")


def _group_swap(event: OomKill) -> str:
    swap = next((counter for counter in event.cgroup_usage if counter.name == "swap"), None)
    if swap is None or swap.limit_kibibytes is None:
        return ""
    if swap.limit_kibibytes == 0:
        return " It may not use swap."
    return f" Of swap it used {swap.usage_kibibytes} kB of {swap.limit_kibibytes} kB."


def _all_killed(event: OomKill) -> str:
    """Say where the whole group had to go: mm/oom_kill.c, oom_kill_process()."""
    if not quote(event, _TOGETHER):
        return ""
    return " All its processes were killed together, as memory.oom.group of the group asks."


def _raise(event: OomKill, full: CgroupUsage, limit: int) -> Iterator[Advice]:
    """Advise a limit that is a quarter higher; the file differs between the two kinds of groups."""
    more = max(-(-limit // 4 // _MEBIBYTE), 1) * _MEBIBYTE
    names = {counter.name for counter in event.cgroup_usage}
    old = bool(names & {"memory+swap", "kmem"})
    where = f"/sys/fs/cgroup/memory{event.cgroup}" if old else f"/sys/fs/cgroup{event.cgroup}"
    file = f"{where}/{'memory.limit_in_bytes' if old else 'memory.max'}"
    # The kernel refuses a limit above that of memory and swap together.
    both = next(
        (counter.limit_kibibytes for counter in event.cgroup_usage if counter.name == "memory+swap"), None
    )
    fits = full.name == "memory" and (both is None or limit + more <= both)
    known = (event.cgroup or "").startswith("/") and fits and (old or "swap" in names)
    sizes = f"from {size_words(limit)} to {size_words(limit + more)}, a quarter more"
    counts = "memory.oom_control" if old else "memory.events"
    kept = keep_limit(event.cgroup or "", "MemoryMax", (limit + more) * 1024)
    yield write(
        file if known else "",
        (limit + more) * 1024,
        limit * 1024,
        text=f"if its work needs more, raise the limit {sizes}; to keep it: {kept}",
        verify=f"no further report of this group; 'oom_kill' in its {counts} stays as it is",
        risk=f"the machine must have {size_words(more)} more to give, else it runs out itself",
    )
