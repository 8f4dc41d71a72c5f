# SPDX-License-Identifier: GPL-2.0-or-later
"""
The OOM killer: memory ran out, of the machine or of a control group, and a process had to go.

    busybox invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0, oom_score_adj=0
    oom-killer: gfp_mask=0x201d2, order=0                                                        2.6.16
    oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=busybox,pid=93,uid=0
    Out of memory: Killed process 93 (busybox) total-vm:4508kB, anon-rss:1084kB, file-rss:840kB
    Memory cgroup out of memory: Killed process 93 (busybox) total-vm:4508kB
    Out of memory: Kill process 93 (busybox) score 900 or sacrifice child                        before 5.3
    memory: usage 20480kB, limit 20480kB, failcnt 44                 of a group, the lines above it are lost
    VM: killing process gammu-smsd                                                               2.4, 2.6

Source: mm/oom_kill.c, dump_header(), dump_oom_summary() and __oom_kill_process(); arch/*/mm/fault.c,
do_page_fault().
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from keepsane.kernel.events.oom_kill.tasks import parse_tasks
from keepsane.kernel.events.oom_kill.victim import KILLED, Victim, parse_victims
from keepsane.kernel.events.show_mem.cpuset import parse_allowed_nodes
from keepsane.kernel.events.show_mem.lines import plain_line
from keepsane.kernel.events.show_mem.memcg import parse_cgroup_amounts, parse_cgroup_usage
from keepsane.kernel.events.show_mem.requester import is_mixed
from keepsane.kernel.events.show_mem.show_mem import CGROUP, MEM_INFO, parse_mem_info
from keepsane.kernel.events.show_mem.whole import is_mode_cut, mixed
from keepsane.kernel.log.block import Block, Opening, build
from keepsane.kernel.log.culprit import names
from keepsane.kernel.log.groups import said, task_of
from keepsane.kernel.log.machinery import CHARGES, OOM_KILLER, PAGE_REQUESTS
from keepsane.kernel.pages.failed_request import FailedRequest, accounted
from keepsane.kernel.pages.mem_info import CgroupAmount, CgroupUsage, MemInfo, OomTask
from keepsane.kernel.pages.watermark_form import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class OomKill(FailedRequest):
    """
    The OOM killer ran; see FailedRequest.

    `task` asked for the memory; `victim` and `victim_pid` were killed, `victims` are all of them with their
    sizes. `constraint` is the kernel's word for what had run out ("CONSTRAINT_MEMCG" a control group's
    limit), `cgroup` that group, `task_cgroup` the victim's. `global_oom` is False where only the memory of
    a control group was used up. `sysrq` is true where a person asked for it (sysrq-f; the kernel prints
    order -1 then, and `order` is None). `memory` is None where the kernel prints none: a control group has
    `cgroup_usage` and `cgroup_amounts` in its place. `tasks` is the table of tasks, `tasks_left_out` counts
    the rows that are not in it.
    """

    oom_score_adj: int | None = None
    victim: str | None = None
    victim_pid: int | None = None
    victims: tuple[Victim, ...] = ()
    constraint: str | None = None
    cgroup: str | None = None
    task_cgroup: str | None = None
    global_oom: bool | None = None
    sysrq: bool | None = None
    cgroup_usage: tuple[CgroupUsage, ...] = ()
    cgroup_amounts: tuple[CgroupAmount, ...] = ()
    tasks: tuple[OomTask, ...] = ()
    tasks_left_out: int = 0

    def request(self) -> Request:
        """Give what was asked for: the OOM killer checks it by other watermarks."""
        return replace(FailedRequest.request(self), oom=True)


HEAD = re.compile(
    r"(?:\.\.\. )?(?:(?P<comm>\S.{0,31}?) invoked )?oom-killer: "
    r"gfp_mask=(?:3D)?(?P<mode>0x[0-9a-f]{1,16})(?:\((?P<mode_text>[\w|]{1,500})\))?"
    r"(?:,.{0,80}? order=(?:3D)?(?P<order>-?\d{1,3}))?"
    r"(?:, (?:oom_(?:score_)?adj|oomkilladj)=(?:3D)?(?P<old_adjust>-?\d{1,5}))?"
    r"(?:, oom_score_adj=(?P<oom_score_adj>-?\d{1,5}))?"
)
_SUMMARY = re.compile(r"oom-kill:constraint=(?P<constraint>\w{1,40})(?P<rest>,.{0,2000})?")
_LIMIT = re.compile(
    r"Task in (?P<task_cgroup>\S{1,255}) killed as a result of limit of (?P<cgroup>\S{1,255})"
    r"|Memory cgroup stats for (?P<cgroup_>/\S{0,255}?):(?:\s|$)"
)
_SCOPE = re.compile(r"oom-kill:|ut of [Mm]emory|Task in|cgroup stats")
# A name may hold commas; one without what follows it may be cut.
_MEMCG = re.compile(r",oom_memcg=(?P<cgroup>.{1,255}?),task_memcg=")
_TASK_MEMCG = re.compile(r",task_memcg=(?P<task_cgroup>.{1,255}?),task=")
_OWN = re.compile(
    MEM_INFO + "|" + CGROUP + r"|\s*(?:oom-kill:|oom_reaper: |.{0,32}cpuset=)|" + KILLED.pattern
)


def _scope(block: Block) -> dict[str, Any]:
    """Say what had run out, by the fields of OomKill."""
    texts = [plain_line(record.text) for record in block.records if _SCOPE.search(record.text)]
    summary = next((found for text in texts if (found := _SUMMARY.match(text))), None)
    limit = next((found for text in texts if (found := _LIMIT.match(text))), None)
    rest = (summary["rest"] or "") if summary else ""
    scope = said(OomKill, summary, _MEMCG.search(rest), _TASK_MEMCG.search(rest), limit)
    said_so = _is_global(texts, rest, scope)
    return scope | {"global_oom": _by_trace(block) if said_so is None else said_so}


def _is_global(texts: list[str], summary: str, scope: dict[str, Any]) -> bool | None:
    if ",global_oom" in summary:
        return True
    of_group = scope.get("constraint") == "CONSTRAINT_MEMCG" or scope.get("cgroup") is not None
    if of_group or any(text.startswith("Memory cgroup out of memory") for text in texts):
        return False
    return True if any(text.lower().startswith("out of memory") for text in texts) else None


def _by_trace(block: Block) -> bool | None:
    """Say by who called the OOM killer what had run out: pages of the machine, or what a group may have."""
    called = [name for stack in block.body.stacks for name in names(stack.frames)]
    if not any(name in OOM_KILLER for name in called):
        return None
    if any(name in CHARGES for name in called):
        return False
    return True if any(name in PAGE_REQUESTS for name in called) else None


def _build(block: Block, victims: tuple[Victim, ...], damage: str, **own: Any) -> OomKill:
    """Build the event: what its headline says is `own`, the rest is read here."""
    nodes, table = parse_allowed_nodes(block.records), parse_tasks(block.records)
    memory, scope = parse_mem_info(block.records), _scope(block)
    if own.get("mode") is not None and is_mode_cut(block.head, block.body.release, memory):
        own = own | {"mode": None}
    made = accounted(
        memory,
        own.get("mode"),
        own.get("mode_text"),
        block.body.release,
        own.get("order"),
        nodes=(nodes.nodemask, nodes.mems_allowed),
        oom=True,
        lacks=_lacks(block, memory, own.get("order")),
    )
    return build(
        OomKill,
        block,
        "oom-kill",
        _title(victims, _of_whom(scope["global_oom"], memory)),
        damage=damage,
        victim=victims[0].comm if victims else None,
        victim_pid=victims[0].pid if victims else None,
        victims=victims,
        **nodes._asdict(),
        memory=memory,
        gfp=made.gfp,
        ledger=made.ledger if memory and not own.get("sysrq") else None,
        cgroup_usage=parse_cgroup_usage(block.records),
        cgroup_amounts=parse_cgroup_amounts(block.records),
        tasks=table.tasks,
        tasks_left_out=table.left_out,
        **(scope | own),
    )


def _lacks(block: Block, memory: MemInfo | None, order: int | None) -> str:
    """Say what of the request is not known; before 2.6.16 no order is printed."""
    old = memory is not None and any(zone.active_pages is not None for zone in memory.zones)
    if order is None and not old:
        return "how much was asked for is not known: the line that says it is cut or missing"
    return mixed(block, memory)


def _of_whom(global_oom: bool | None, memory: MemInfo | None) -> str:
    """Say whose memory ran out; "" where it is not known: the first lines of both reports look alike."""
    if global_oom is None and memory is None:
        return ""
    return "control group " if global_oom is False else "system "


def _title(victims: tuple[Victim, ...], whose: str) -> str:
    if not victims:
        return f"{whose}out of memory"
    done = "killed" if victims[0].certain else "chosen to be killed"
    return f"{whose}out of memory: {victims[0].comm} (pid {victims[0].pid}) was {done}"


def _damage(block: Block, victims: tuple[Victim, ...]) -> str:
    lacks = [] if block.body.stacks else ["no call trace"]
    if not victims:
        lacks.append("no line that says what was killed")
    functions = [frame.function or "" for stack in block.body.stacks for frame in stack.frames]
    failed = any(name.startswith("warn_alloc") for name in functions)
    if failed and not any(name in OOM_KILLER for name in functions):
        lacks.append("its call trace is that of a failed allocation: two reports are mixed")
    elif is_mixed(block):
        lacks.append("lines of another CPU are mixed into its call trace")
    return "; ".join(lacks)


def parse_oom(block: Block) -> OomKill | None:
    """
    Read a report of the OOM killer, from the task that asked to the task that was killed.

    Accepted format:
        busybox invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0
    """
    head, victims = block.head, parse_victims(block.records)
    order = int(head["order"]) if head["order"] else None
    adjust = head["oom_score_adj"] or head["old_adjust"]
    return _build(
        block,
        victims,
        _damage(block, victims),
        task=block.body.task or (task_of(head) if head["comm"] != "..." else None),
        order=order if order is None or order >= 0 else None,
        mode=int(head["mode"], 16),
        mode_text=head["mode_text"],
        oom_score_adj=int(adjust) if adjust else None,
        sysrq=order < 0 if order is not None else None,
    )


def parse_killed(block: Block) -> OomKill | None:
    """
    Read the verdict where the report before it is missing.

    Accepted format:
        Out of memory: Killed process 93 (busybox) total-vm:4508kB, anon-rss:1084kB, file-rss:840kB
    """
    victims = parse_victims(block.records)
    return _build(block, victims, "the report before this line is missing")


def parse_group(block: Block) -> OomKill | None:
    """
    Read a group's counters, and what stands below them, where the headline of the report is lost.

    Accepted format:
        memory: usage 20480kB, limit 20480kB, failcnt 44

    Only the OOM killer prints them: mm/memcontrol.c, mem_cgroup_print_oom_meminfo() and its like.
    """
    victims = parse_victims(block.records)
    lacks = ["the report before this line is missing"]
    if not victims:
        lacks.append("no line that says what was killed")
    return _build(block, victims, "; ".join(lacks), global_oom=False)


def parse_vm_killed(block: Block) -> OomKill | None:
    """
    Read the line of a page fault that got no memory in 2.4 and 2.6: its own process is killed.

    Accepted format:
        VM: killing process gammu-smsd
    """
    comm = block.head["comm"]
    title = f"system out of memory: {comm} was killed"
    return build(OomKill, block, "oom-kill", title, damage="", victim=comm, global_oom=True)


_KILLED = re.compile(r"(?:\.\.\. )?(?:O|Memory cgroup o)ut of [Mm]emory.{0,80}?: Kill(?:ed)? process \d")
_KILLED_OWN = re.compile(r"oom_reaper: |Killed process \d")
_GROUP = re.compile(
    r"Task in /\S{0,255}+ killed as a result of limit of /|Memory cgroup stats for /\S{0,255}+"
    r"|(?:memory|memory\+swap|swap|kmem): usage \d{1,20}kB, limit \d{1,20}kB, failcnt \d"
)
_VM_KILLED = re.compile(r"VM: killing process (?P<comm>\S.{0,31}?)\s*+$")
_IN_REPORT = frozenset({"oom-kill"})

OPENINGS = (
    Opening("oom-kill", HEAD, parse_oom, own=_OWN),
    Opening("oom-killed", _KILLED, parse_killed, rank=0, own=_KILLED_OWN, detail_of=_IN_REPORT),
    Opening("oom-kill", _GROUP, parse_group, own=_OWN, alone=True),
    Opening("vm-killed", _VM_KILLED, parse_vm_killed, rank=0, detail_of=_IN_REPORT),
)
