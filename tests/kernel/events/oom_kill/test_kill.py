# SPDX-License-Identifier: GPL-2.0-or-later
"""The OOM killer, read as fields."""

from __future__ import annotations

import pytest

from keepsane.kernel.events.oom_kill.kill import OomKill
from keepsane.kernel.pages.mem_info import CgroupAmount, CgroupUsage
from tests.golden import CASES, events_of, first_of, read_case
from tests.kernel.memory_reports import OLD, cuts

KILL_OF_2016 = """\
httpd invoked oom-killer: gfp_mask=0x24201ca(GFP_HIGHUSER_MOVABLE|__GFP_COLD), order=0, oom_score_adj=0
httpd cpuset=/a mems_allowed=0-1
Call Trace:
 [<ffffffff81300001>] dump_stack+0x1/0x2
 [<ffffffff81300001>] dump_header+0x1/0x2
 [<ffffffff81300001>] mem_cgroup_out_of_memory+0x1/0x2
Task in /a/b killed as a result of limit of /a
memory: usage 102400kB, limit 102400kB, failcnt 7
Memory cgroup stats for /a: cache:0KB rss:0KB
Memory cgroup stats for /a/b: cache:12KB rss:102388KB
[ pid ]   uid  tgid total_vm      rss nr_ptes nr_pmds swapents oom_score_adj name
[  390]    48   390    39012     6739      78       3       51             0 httpd
Memory cgroup out of memory: Kill process 390 (httpd) score 901 or sacrifice child
Killed process 390 (httpd) total-vm:156048kB, anon-rss:26956kB, file-rss:0kB, shmem-rss:0kB
"""


def kill(text: str) -> OomKill:
    event = events_of(text)[0]
    assert isinstance(event, OomKill)
    return event


@pytest.mark.parametrize(
    ("line", "comm", "order", "mode", "adjust"),
    [
        ("oom-killer: gfp_mask=0x80d2", None, None, 0x80D2, None),
        ("oom-killer: gfp_mask=0x201d2, order=0", None, 0, 0x201D2, None),
        ("oom-killer: gfp_mask=3D0x201d2, order=3D0", None, 0, 0x201D2, None),
        ("x y invoked oom-killer: gfp_mask=0x1280d2, order=2, oomkilladj=-3", "x y", 2, 0x1280D2, -3),
        ("a invoked oom-killer: gfp_mask=0x201da, order=0, oom_adj=5, oom_score_adj=300",
         "a", 0, 0x201DA, 300),
        ("a invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), nodemask=(null), order=1, oom_score_adj=0",
         "a", 1, 0xCC0, 0),
        ("runc:[2:INIT] invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=-999",
         "runc:[2:INIT]", 0, 0xCC0, -999),
    ],
)  # fmt: skip
def test_the_head_of_every_era(
    line: str, comm: str | None, order: int | None, mode: int, adjust: int | None
) -> None:
    event = kill(line)

    assert (event.task.comm if event.task else None) == comm
    assert (event.order, event.mode, event.oom_score_adj) == (order, mode, adjust)


def test_who_asked_and_who_was_killed() -> None:
    event = first_of("oom-kill/lab-oom-6.12")

    assert isinstance(event, OomKill)
    assert event.task is not None
    assert event.task.comm == "busybox"
    assert event.victim == "busybox"
    assert event.order == 0
    assert (event.constraint, event.global_oom, event.sysrq) == ("CONSTRAINT_NONE", True, False)


def test_the_table_and_the_memory_of_the_lab() -> None:
    """The victim stands in the table with the pages of its kill line: anon-rss in kB is 4 times rss_anon."""
    event = first_of("oom-kill/lab-oom-6.12")

    assert isinstance(event, OomKill)
    assert event.memory is not None
    assert event.memory.lacks == ""
    (victim,) = event.victims
    row = next(task for task in event.tasks if task.pid == victim.pid)
    assert row.comm == victim.comm
    assert row.rss_anon_pages is not None
    assert row.rss_anon_pages * 4 == victim.anon_rss_kibibytes
    assert row.total_vm_pages * 4 == victim.total_vm_kibibytes
    assert event.tasks_left_out == 0


def test_a_control_group() -> None:
    event = first_of("oom-kill/control-group")

    assert isinstance(event, OomKill)
    assert (event.constraint, event.cgroup, event.task_cgroup) == ("CONSTRAINT_MEMCG", "/small", "/small")
    assert (event.victim, event.victim_pid, event.global_oom) == ("hungry", 140, False)
    assert event.memory is None
    assert event.cgroup_usage[0] == CgroupUsage("memory", 20480, 20480, 44)
    assert event.cgroup_amounts[0] == CgroupAmount("anon", 20377600)


def test_a_control_group_before_5_0() -> None:
    event = kill(KILL_OF_2016)

    assert (event.cgroup, event.task_cgroup, event.global_oom) == ("/a", "/a/b", False)
    assert (event.cpuset, event.mems_allowed) == ("/a", (0, 1))
    # 12 kB in bytes
    assert event.cgroup_amounts[0] == CgroupAmount("cache", 12288)
    assert (event.tasks[0].nr_ptes, event.tasks[0].swapents_pages) == (78, 51)
    assert event.victims[0].anon_rss_kibibytes == 26956
    assert event.damage == ""


def test_2_6_on_a_small_machine_where_the_child_died() -> None:
    head = "oom-killer: gfp_mask=0x201d2, order=0\n [<c013ff25>] out_of_memory+0xa5/0xc0\n"
    chosen = "Out of Memory: Kill process 65 (bash) score 88 and children.\n"
    event = kill(f"{head}{OLD}{chosen}Out of memory: Killed process 104 (mc).")

    assert (event.victim, event.victim_pid, event.global_oom) == ("mc", 104, True)
    assert event.memory is not None
    assert event.memory.zones[0].free_pages == 100


def test_every_line_behind_dots_that_hide_the_prefix() -> None:
    text = f"oom-killer: gfp_mask=0x80d2\n{OLD}Out of Memory: Killed process 30787 (thunderbird-bin)."
    event = kill("\n".join(f"... {line}" for line in text.splitlines()))

    assert event.victim_pid == 30787
    assert event.memory is not None
    assert event.memory.lacks == ""


def test_a_page_fault_that_got_no_memory() -> None:
    event = kill("VM: killing process gammu-smsd")

    assert (event.victim, event.victim_pid, event.global_oom) == ("gammu-smsd", None, True)


def test_asked_for_by_a_person() -> None:
    event = kill("kworker/0:1 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=-1, oom_score_adj=0")

    assert (event.sysrq, event.order) == (True, None)


def test_the_trace_of_a_failed_allocation_under_the_head() -> None:
    """Two CPUs print at once: what follows is not this report's own."""
    trace = "Call Trace:\n dump_stack+0x1/0x2\n warn_alloc_failed+0x1/0x2\n __alloc_pages_slowpath+0x1/0x2\n"
    event = kill(f"a invoked oom-killer: gfp_mask=0x24200ca(GFP_USER), order=0, oom_score_adj=500\n{trace}")

    assert "two reports are mixed" in event.damage


@pytest.mark.parametrize("name", ["lab-oom-6.12", "lab-oom-6.1", "control-group"])
def test_a_log_cut_at_any_line_says_what_is_missing(name: str) -> None:
    log = read_case(CASES / "oom-kill" / f"{name}.case").log
    for _, text in cuts(log):
        events = [event for event in events_of(text) if isinstance(event, OomKill)]
        killed = "Killed process" in text
        assert all((not event.damage) <= killed for event in events[:1])
        for event in events:
            assert event.memory is None or event.memory.lacks or "pages reserved" in text
