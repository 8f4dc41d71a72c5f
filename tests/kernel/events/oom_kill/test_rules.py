# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of an OOM kill, against numbers that stand in its log or were worked out by hand."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepsane.api import explain
from keepsane.report import Finding
from tests.golden import CASES, read_case


def _judged(slug: str, rule: str, *replaced: tuple[str, str]) -> Finding | None:
    log = read_case(CASES / f"rules/{slug}.case").log
    for old, new in replaced:
        assert old in log
        log = log.replace(old, new)
    return next((one for one in explain(log, cache=False).findings if one.rule == rule), None)


def _found(slug: str, rule: str, *replaced: tuple[str, str]) -> Finding:
    found = _judged(slug, rule, *replaced)
    assert found is not None
    return found


def test_the_machine_ran_out_in_the_zone_that_decides_by_the_numbers_of_its_line() -> None:
    found = _found("oom-machine", "oom-global")
    # Node 0 DMA32 free:1536kB ... min:1688kB
    assert found.title == "memory ran out: Node 0 DMA32 had 1536 kB left, more than 1688 kB are needed"
    assert "There is no swap." in found.explanation


def test_swap_is_advised_for_what_can_go_there() -> None:
    (advice,) = _found("oom-machine", "oom-global").advice
    # programs: 48828 - 23608 pages = 100880 kB, that is 98.5 MB
    assert advice.command is not None
    assert "fallocate -l 99M" in advice.command
    assert _found("oom-slab-leak", "oom-global").advice == ()


def test_full_swap_is_said_with_its_numbers() -> None:
    found = _found(
        "oom-machine",
        "oom-global",
        ("Free swap  = 0kB", "Free swap  = 12kB"),
        ("Total swap = 0kB", "Total swap = 8000kB"),
    )
    assert "Swap was full: 12 kB of 8000 kB were free." in found.explanation


def test_a_limit_is_raised_by_a_quarter_and_never_lowered() -> None:
    # 20480 kB and a quarter more, in bytes.
    (advice,) = _found("oom-group-limit", "oom-cgroup-limit").advice
    assert advice.command == "echo 26214400 > /sys/fs/cgroup/small/memory.max"
    assert advice.undo == "echo 20971520 > /sys/fs/cgroup/small/memory.max"


def test_the_name_of_a_group_cannot_break_out_of_the_command() -> None:
    (advice,) = _found("oom-group-limit", "oom-cgroup-limit", ("/small", "/a;reboot")).advice
    assert advice.command == "echo 26214400 > '/sys/fs/cgroup/a;reboot/memory.max'"


def test_a_group_below_its_limit_is_not_said_to_have_reached_it() -> None:
    assert _judged("oom-group-limit", "oom-cgroup-limit", ("usage 20480kB", "usage 10240kB")) is None


def test_a_group_that_is_killed_as_a_whole_is_said_to_be() -> None:
    # mm/oom_kill.c: "Tasks in %s are going to be killed due to memory.oom.group set"
    line = "Tasks in /small are going to be killed due to memory.oom.group set\n"
    state = "[   12.200000] Tasks state (memory"
    found = _found("oom-group-limit", "oom-cgroup-limit", ("Tasks state (memory", line + state))
    assert "All its processes were killed together" in found.explanation


def test_free_memory_elsewhere_is_told_from_what_the_zones_have() -> None:
    found = _found("oom-cpuset-movable", "oom-nodes-limited")
    # free:1000000 less 1600000 kB / 4 = 400000 pages: 600000 pages, 2344 MB
    assert "2344 MB are free elsewhere" in found.explanation
    assert "1562 MB free in Node 1 Movable" in found.title


def test_a_reserve_that_is_free_is_not_called_missing() -> None:
    phantom = _found("oom-highatomic-phantom", "oom-wrong-kind")
    # reserved_highatomic:24576KB is 6144 pages
    assert "the whole reserve of 6144" in phantom.explanation
    held = _found("oom-highatomic-phantom", "oom-wrong-kind", ("9*4096kB (UME)", "9*4096kB (UMEH)"))
    assert "reserve" not in held.title
    assert "is held for atomic blocks" in held.title


@pytest.mark.parametrize(
    ("adjust", "reason"),
    [
        ("-1000", "leaky is exempt: its oom_score_adj is -1000."),
        # 150300 - 700 * 200 = 10300 pages are fewer than 20042.
        (" -700", "leaky 10300 (-700 thousandths)"),
        # 150300 - 100 * 200 = 130300 pages are more.
        (" -100", "The numbers of the report do not explain the choice."),
    ],
)
def test_why_a_smaller_one_was_killed_follows_from_the_numbers(adjust: str, reason: str) -> None:
    found = _found("oom-victim-protected", "oom-victim-not-largest", ("-1000 leaky", f"{adjust} leaky"))
    assert reason in found.explanation


def test_the_largest_caches_are_named_and_no_process_is_blamed() -> None:
    found = _found("oom-slab-leak", "oom-where-it-went")
    assert "The largest caches: widget_node 500 MB, kmalloc-64 69 MB." in found.explanation
    assert "No process is the culprit" in found.explanation
    assert found.shares[0].kibibytes == 150000 * 4


def test_workers_of_one_name_are_added_up() -> None:
    found = _found("oom-group-limit", "oom-where-it-went")
    # 1600 + 1500 + 1700 pages and three times 86016 / 4096 = 21 of page tables: 4863 pages, 19452 kB
    assert "3 worker together: up to 19 MB" in found.title
    assert "It is worker (pid 143) that was killed." in found.explanation


def test_no_program_is_named_where_the_table_is_not_whole() -> None:
    found = _found("oom-victim-row-cut", "oom-where-it-went")
    assert "its table of tasks is missing or not whole" in found.explanation
    assert "leaky" not in found.title


WHOLE = sorted(
    path.stem
    for path in (CASES / "rules").glob("oom-*.case")
    if not path.stem.endswith(("cut", "lost")) and "three" not in path.stem and "after" not in path.stem
)


@pytest.mark.parametrize("slug", WHOLE)
def test_a_lost_line_brings_no_other_cause_and_no_other_holder(slug: str) -> None:
    lines = read_case(CASES / f"rules/{slug}.case").log.splitlines()

    def said(log: list[str]) -> set[tuple[str, str]]:
        found = explain("\n".join(log), cache=False).findings
        return {(one.rule, one.shares[0].name if one.shares else "") for one in found}

    whole = said(lines)
    assert whole
    for lost in range(len(lines)):
        assert said(lines[:lost] + lines[lost + 1 :]) <= whole, lines[lost]
    for end in range(len(lines)):
        assert said(lines[:end]) <= whole, end


@settings(deadline=None)  # a busy machine is no failure
@given(st.sampled_from(WHOLE), st.data())
def test_whatever_the_numbers_are_no_rule_fails(slug: str, data: st.DataObject) -> None:
    log = read_case(CASES / f"rules/{slug}.case").log
    spots = list(re.finditer(r"(?<=[:=\s-])\d{1,12}(?=kB|KB|\s|$|,)", log))
    drawn = data.draw(st.sets(st.sampled_from(spots), max_size=12))
    for spot in sorted(drawn, key=lambda one: -one.start()):
        number = data.draw(st.sampled_from(["0", "1", "-1", "999999999999999", "18446744073709551615"]))
        log = log[: spot.start()] + number + log[spot.end() :]
    failed = [one for one in explain(log, cache=False).failures if "the rule itself failed" in one.why]
    assert failed == []


def test_a_file_in_tmpfs_is_not_blamed_on_the_process_that_was_killed() -> None:
    found = _found("oom-group-tmpfs", "oom-where-it-went")
    # The guest ran: dd if=/dev/zero of=/tmp/x bs=1M, with memory.max of 20M; dd itself has a buffer of 1 MB.
    assert found.title == "shared memory holds 95 % of 20 MB"
    assert "Killed was dd (pid 144), which held " in found.explanation


@pytest.mark.parametrize(
    ("group", "command"),
    [
        ("/a,b", "echo 26214400 > /sys/fs/cgroup/a,b/memory.max"),
        ("/$(id) 'x", "echo 26214400 > '/sys/fs/cgroup/$(id) '\"'\"'x/memory.max'"),
        ("/../../etc", None),
        ("/a\u202eb", None),
    ],
)
def test_the_limit_is_raised_of_no_other_group_than_the_one_named(group: str, command: str | None) -> None:
    found = _found("oom-group-limit", "oom-cgroup-limit", (",oom_memcg=/small,", f",oom_memcg={group},"))

    assert group in found.title
    assert found.advice[0].command == command


def test_a_group_whose_name_may_be_cut_is_not_named_by_it() -> None:
    rest = ",task_memcg=/small,task=worker,pid=143,uid=0"

    found = _found(
        "oom-group-limit",
        "oom-cgroup-limit",
        ("oom_memcg=/small" + rest, "oom_memcg=/sm"),
        (" for /small", ""),
    )

    assert "(not named)" in found.title
    assert found.advice[0].command is None


def test_a_limit_that_the_kernel_would_refuse_is_no_command() -> None:
    """mm/memcontrol.c, mem_cgroup_resize_max(): -EINVAL above the limit of memory and swap together."""
    both = "memory+swap: usage 20480kB, limit {}kB, failcnt 0"
    swap = "swap: usage 0kB, limit 0kB, failcnt 0"

    tight = _found("oom-group-limit", "oom-cgroup-limit", (swap, both.format(20480)))
    wide = _found("oom-group-limit", "oom-cgroup-limit", (swap, both.format(40960)))

    assert tight.advice[0].command is None
    assert wide.advice[0].command is not None and "memory.limit_in_bytes" in wide.advice[0].command


def test_a_limit_of_nothing_is_raised_by_something() -> None:
    found = _found(
        "oom-group-limit",
        "oom-cgroup-limit",
        ("memory: usage 20480kB, limit 20480kB", "memory: usage 0kB, limit 0kB"),
    )
    assert found.advice[0].command == "echo 1048576 > /sys/fs/cgroup/small/memory.max"


@pytest.mark.parametrize("free", ["-245804", "999"])
def test_swap_that_is_just_taken_away_holds_no_impossible_amount(free: str) -> None:
    found = _found(
        "oom-machine",
        "oom-where-it-went",
        ("Free swap  = 0kB", f"Free swap  = {free}kB"),
        ("Total swap = 0kB", "Total swap = 100kB"),
    )
    assert "lie in swap" not in found.explanation


POD_OF_2018 = """\
java invoked oom-killer: gfp_mask=0x24000c0(GFP_KERNEL), order=0, oom_score_adj=968
Task in /pod/java killed as a result of limit of /pod
memory: usage 524288kB, limit 524288kB, failcnt 101
memory+swap: usage 524288kB, limit 9007199254740988kB, failcnt 0
Memory cgroup stats for /pod: cache:0KB rss:0KB shmem:0KB
Memory cgroup stats for /pod/pause: cache:0KB rss:44KB shmem:0KB
Memory cgroup stats for /pod/java: cache:100KB rss:520144KB shmem:0KB
[ pid ]   uid  tgid total_vm      rss nr_ptes nr_pmds swapents oom_score_adj name
[  143]     0   143   900000   130000     300       6        0           968 java
Memory cgroup out of memory: Kill process 143 (java) score 1990 or sacrifice child
Killed process 143 (java) total-vm:3600000kB, anon-rss:519000kB, file-rss:1000kB, shmem-rss:0kB
"""


def test_what_the_groups_below_hold_is_the_group_s_too() -> None:
    found = [one for one in explain(POD_OF_2018, cache=False).findings if one.rule == "oom-where-it-went"]
    # 520144 + 44 of 524288 kB
    assert [one.title for one in found] == ["programs hold 99 % of 512 MB, first of all java: up to 509 MB"]


def test_where_a_group_below_is_lost_nothing_is_said_to_be_in_no_counter() -> None:
    lost = re.sub(r"Memory cgroup stats for /pod/java.*\n", "", POD_OF_2018)
    assert "oom-where-it-went" not in [one.rule for one in explain(lost, cache=False).findings]


def test_a_group_whose_name_has_colons_keeps_them_where_only_its_statistics_name_it() -> None:
    rest = "oom_memcg=/small,task_memcg=/small,task=worker,pid=143,uid=0"

    found = _found(
        "oom-group-limit", "oom-cgroup-limit", (rest, ""), ("for /small:", "for /pod.slice:cri:1:")
    )

    assert "the control group /pod.slice:cri:1 used up" in found.title


def test_parts_that_exceed_the_whole_are_no_account_of_it() -> None:
    smaller = ("memory: usage 20480kB", "memory: usage 8000kB")
    assert _judged("oom-group-limit", "oom-where-it-went") is not None
    assert _judged("oom-group-limit", "oom-where-it-went", smaller) is None
