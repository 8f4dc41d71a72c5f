# SPDX-License-Identifier: GPL-2.0-or-later
"""
The OOM killer: memory ran out, of the machine or of a control group, and a process had to go.

    busybox invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0, oom_score_adj=0
    oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=busybox,pid=93,uid=0
    Out of memory: Killed process 93 (busybox) total-vm:4508kB, anon-rss:1084kB, file-rss:840kB
    Memory cgroup out of memory: Killed process 93 (busybox) total-vm:4508kB
    Out of memory: Kill process 93 (busybox) score 900 or sacrifice child                        before 5.3

Source: mm/oom_kill.c, dump_header(), dump_oom_summary() and __oom_kill_process().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.block import Block, Opening, build
from keepsane.kernel.show_mem import CGROUP, MEM_INFO
from keepsane.model import Event, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class OomKill(Event):
    """
    The OOM killer ran.

    `task` asked for the memory; `victim` and `victim_pid` were killed. `constraint` is the kernel's word for
    what had run out ("CONSTRAINT_MEMCG" a control group's limit), `cgroup` that group.
    """

    order: int | None = None
    mode: int | None = None
    mode_text: str | None = None
    oom_score_adj: int | None = None
    victim: str | None = None
    victim_pid: int | None = None
    constraint: str | None = None
    cgroup: str | None = None


HEAD = re.compile(
    r"(?:\.\.\. )?(?:(?P<comm>\S.{0,31}?) invoked )?oom-killer: gfp_mask=(?P<mode>0x[0-9a-f]{1,16})(?:\("
    r"(?P<mode_text>[\w|]{1,500})\))?"
    r"(?:,.{0,80}? order=(?P<order>-?\d{1,3}))?(?:, oom_(?:score_)?adj=(?P<adjust>-?\d{1,5}))?"
)
KILLED = re.compile(
    r"(?:Out of [Mm]emory(?: \([^)]{1,60}\))?|Memory cgroup out of memory): Kill(?:ed)? process "
    r"(?P<pid>\d{1,10}) \((?P<comm>.{1,32}?)\)"
)
_SUMMARY = re.compile(
    r"oom-kill:constraint=(?P<constraint>\w{1,40}),.{0,200}?(?:oom_memcg=(?P<cgroup>[^,]{1,255}))?(?:,|$)"
)
_CGROUP = re.compile(
    r"(?:Task in \S{1,255} killed as a result of limit of "
    r"|Memory cgroup stats for )(?P<cgroup>/[^\s:]{0,255})"
)
_OWN = re.compile(MEM_INFO + "|" + CGROUP)


def _facts(block: Block) -> dict[str, object]:
    killed, summary, group = block.find(KILLED), block.find(_SUMMARY), block.find(_CGROUP)
    return {
        "victim": killed["comm"] if killed else None,
        "victim_pid": int(killed["pid"]) if killed else None,
        "constraint": summary["constraint"] if summary else None,
        "cgroup": (summary and summary["cgroup"]) or (group["cgroup"] if group else None),
    }


def _title(block: Block) -> str:
    killed = block.find(KILLED)
    victim = f": {killed['comm']} (pid {killed['pid']}) was killed" if killed else ""
    in_cgroup = any("emory cgroup out of memory" in record.text for record in block.records) or block.find(
        _CGROUP
    )
    return f"{'control group' if in_cgroup else 'system'} out of memory{victim}"


def parse_oom(block: Block) -> OomKill | None:
    """
    Read a report of the OOM killer, from the task that asked to the task that was killed.

    Accepted format:
        busybox invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0
    """
    part = block.head.groupdict()
    comm = part["comm"] if part["comm"] != "..." else None
    lacks = ["no call trace"] if not block.body.stacks else []
    if block.find(KILLED) is None:
        lacks.append("no line that says what was killed")
    return build(
        OomKill,
        block,
        "oom-kill",
        _title(block),
        damage="; ".join(lacks),
        task=block.body.task or (Task(comm=comm, pid=None, cpu=None) if comm else None),
        order=int(part["order"]) if part["order"] else None,
        mode=int(part["mode"], 16),
        mode_text=part["mode_text"],
        oom_score_adj=int(part["adjust"]) if part["adjust"] else None,
        **_facts(block),
    )


def parse_killed(block: Block) -> OomKill | None:
    """
    Read the verdict where the report before it is missing.

    Accepted format:
        Out of memory: Killed process 93 (busybox) total-vm:4508kB, anon-rss:1084kB, file-rss:840kB
    """
    lost = "the report before this line is missing"
    return build(OomKill, block, "oom-kill", _title(block), damage=lost, **_facts(block))


OPENINGS = (
    Opening("oom-kill", "oom-killer: gfp_mask=", HEAD, parse_oom, own=_OWN),
    Opening(
        "oom-killed",
        ": Kill",
        KILLED,
        parse_killed,
        rank=0,
        own=re.compile(r"oom_reaper: |Killed process \d"),
        detail_of=frozenset({"oom-kill"}),
    ),
)
