# SPDX-License-Identifier: GPL-2.0-or-later
"""When a kernel is said to have no NUMA balancing: the last lines of vmstat must be there for that."""

from __future__ import annotations

import pytest

from keepsane.judge import load, run
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import state_of
from keepsane.report import Failure, Finding, RuledOut

load()


def said(vmstat: str, **more: str) -> str:
    files = {name.replace("__", "/"): text for name, text in more.items()} | {"proc/vmstat": vmstat}
    state = state_of((Snapshot(files=files),))
    assert state is not None
    for answer in run((state,)):
        if isinstance(answer, RuledOut) and answer.rule == "numa-balancing-cost":
            return answer.why
        if isinstance(answer, Failure) and answer.what == "rule numa-balancing-cost":
            return answer.why
        assert not isinstance(answer, Finding)
    raise AssertionError("no answer")


# mm/vmstat.c, vmstat_text[]: NUMA balancing stands before pgmigrate_success, unevictable_* behind.
def test_a_whole_vmstat_without_the_counters_is_of_a_kernel_that_has_none() -> None:
    assert said("numa_hit 5\noom_kill 0\nunevictable_pgs_culled 0\n").startswith(
        "this kernel has no NUMA balancing"
    )


def test_a_vmstat_that_was_cut_says_nothing() -> None:
    assert said("numa_hit 5\noom_kill 0\n").startswith(
        "cannot tell: /proc/vmstat has no numa_hint_faults, and its end"
    )


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        ("0", "kernel.numa_balancing is 0: NUMA balancing is off"),
        ("2", "kernel.numa_balancing is 2: pages move"),
    ],
)
def test_a_setting_that_is_off_or_for_tiers_is_said(mode: str, why: str) -> None:
    assert said("numa_hint_faults 5\n", proc__sys__kernel__numa_balancing=f"{mode}\n").startswith(why)
