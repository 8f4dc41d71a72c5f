# SPDX-License-Identifier: GPL-2.0-or-later
"""One setting has one piece of advice, whether a log or a running machine is judged."""

from __future__ import annotations

import pytest

from keepsane.api import diagnose
from keepsane.kernel.pages.advice import compact_for, in_unit, keep_limit, more_min_free, more_proactive
from keepsane.kernel.pages.failed_request import FailedRequest
from keepsane.report import Advice
from tests.golden import CASES, read_case
from tests.memory_case import memory_cases
from tests.test_judge import findings


def of_log(case: str) -> list[Advice]:
    return [one for finding in findings(read_case(CASES / f"{case}.case").log) for one in finding.advice]


def of_machine(slug: str) -> list[Advice]:
    case = next(case for case in memory_cases() if case.slug == slug)
    state = case.state()
    assert state is not None
    return [one for finding in diagnose(state).findings for one in finding.advice]


def test_a_log_and_a_machine_name_the_same_file() -> None:
    (log,) = [one for one in of_log("rules/allocation-shortage") if "min_free" in (one.command or "")]
    (machine,) = [one for one in of_machine("min-free-too-small") if "min_free" in (one.command or "")]
    kept = ", put `vm.min_free_kbytes = 5752` into /etc/sysctl.d/90-memory.conf"
    assert log.text.endswith(kept)
    assert kept.replace("5752", "16000") in machine.text


def test_a_log_and_a_machine_compact_by_the_same_command() -> None:
    (log,) = [one for one in of_log("alloc-failure/lab-order9-6.12") if "compact" in (one.command or "")]
    (machine,) = [
        one for one in of_machine("fragmentation-high-order") if "compact_memory" in (one.command or "")
    ]
    assert (log.command, log.undo, log.risk) == (machine.command, machine.undo, machine.risk)
    assert log.command == "sysctl -w vm.compact_memory=1"


# 4 * sqrt(256000000) = 64000 kB is the kernel's own on a machine of 256 GB.
@pytest.mark.parametrize(
    ("now", "memory", "own", "wanted"),
    [
        (2876, 2_015_908, 5679, 5752),
        (1000, 2_015_908, 5679, 5679),
        (64_000, 256_000_000, 64_000, 256_000),
        (40_000, 2_000_000, 5656, 40_000),
    ],
)
def test_more_is_kept_free_within_what_no_rule_calls_too_much(
    now: int, memory: int, own: int, wanted: int
) -> None:
    assert more_min_free(now, memory, own) == wanted


@pytest.mark.parametrize(("now", "wanted"), [(0, 20), (20, 40), (60, 100), (100, 100)])
def test_compaction_ahead_of_time_goes_to_100(now: int, wanted: int) -> None:
    assert more_proactive(now) == wanted


def test_only_kernels_since_5_9_compact_ahead_of_time() -> None:
    new, old = (
        compact_for(
            FailedRequest(kind="alloc-failure", title="", line=1, last_line=1, order=3, release=release)
        )
        for release in ("5.9.0", "5.8.18")
    )
    assert new is not None and "compaction_proactiveness (20 at first) to 40" in new.text
    assert old is not None and "proactiveness" not in old.text


def test_a_limit_is_kept_by_a_unit_that_stays_and_else_where_the_group_comes_from() -> None:
    assert keep_limit("/system.slice/web.service", "MemoryMax", 4096) == (
        "systemctl set-property web.service MemoryMax=4096"
    )
    assert in_unit("/system.slice/docker-0123.scope", "MemoryMax", 4096) is None
    assert "--memory of its container" in keep_limit("/system.slice/docker-0123.scope", "MemoryMax", 4096)
