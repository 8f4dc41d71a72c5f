# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel log of a capture: what it reports of memory is judged along with the samples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.api import diagnose
from keepsane.memory.facts import facts_of
from keepsane.memory.kernel_log import MAX_REQUESTS, KernelLog, kernel_log_of, seconds_of
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import MemoryState, state_of
from keepsane.report import Finding, Report
from tests.golden import CASES, read_case
from tests.memory_case import CASES as MEMORY_CASES
from tests.memory_case import read_memory_case

NEW = (
    "<4>[  812.000123] ksoftirqd/0: page allocation failure: order:0, mode:0x820(GFP_ATOMIC), nodemask=(null)"
)
OLD = "modprobe: page allocation failure. order:4, mode:0xd0"
OOM = read_case(CASES / "oom-kill" / "lab-oom-6.12.case").log
FAILED = read_case(CASES / "alloc-failure" / "lab-atomic0-6.12.case").log


def _log(text: str, release: str | None = None) -> KernelLog:
    found = kernel_log_of([Snapshot(files={"dmesg": text})], release)
    assert found is not None
    return found


def _sampled(log: str, *, from_seconds: int = 1) -> MemoryState:
    uptimes = (f"{from_seconds}.00 1.00\n", f"{from_seconds + 10}.00 1.00\n")
    files = [
        {"proc/uptime": uptime, "proc/vmstat": f"oom_kill {at}\n", "dmesg": log}
        for at, uptime in enumerate(uptimes)
    ]
    state = state_of([Snapshot(files=one) for one in files])
    assert state is not None
    return state


def _fact(state: MemoryState) -> str:
    return next((fact.said for fact in facts_of(state) if fact.name == "kernel log"), "")


def _finding(report: Report, rule: str) -> Finding:
    return next(finding for finding in report.findings if finding.rule == rule)


@pytest.mark.parametrize(
    "prefix",
    [
        "<4>[  995.000000] ",
        "<4>[  995.000000][  T123] ",
        "[  995.000000] [  T123] ",
        "Jan 15 18:51:07 host kernel: [  995.000000] ",
    ],
)
def test_whatever_stands_before_a_failure_its_time_is_read(prefix: str) -> None:
    case = read_memory_case(MEMORY_CASES / "min-free-too-small.capture")
    files = dict(case.samples[0])
    files["dmesg"] = files["dmesg"].replace("<4>[  995.000000] ", prefix)
    state = state_of([Snapshot(files=files)])
    assert state is not None
    found = _finding(diagnose(state), "min-free-too-small")
    assert found.severity == "warning"
    assert "1 of them lately" in found.explanation
    assert found.evidence[-1].note == "995 s after boot"


def test_a_failure_says_when_how_large_and_whether_it_could_wait() -> None:
    (found,) = _log(f"<6>[    1.000000] booting\n{NEW}\n", "6.12.9").of("alloc-failure")
    assert (found.line, seconds_of(found), found.order) == (2, 812.000123, 0)
    assert found.gfp is not None and not found.gfp.may_sleep


def test_before_4_7_the_kernel_of_the_machine_says_what_a_mask_means() -> None:
    # 0xd0 is __GFP_WAIT | __GFP_IO | __GFP_FS: GFP_KERNEL of 2.6.32.
    (found,) = _log(OLD + "\n", "2.6.32-5-amd64").of("alloc-failure")
    assert found.gfp is not None
    assert (seconds_of(found), found.order, found.gfp.may_sleep) == (None, 4, True)


def test_a_line_that_is_cut_off_is_not_read() -> None:
    assert _log(NEW[:-40]).requests == ()


def test_other_lines_are_none() -> None:
    assert _log("page allocation failures are bad\nI said: memory is short\n").requests == ()


def test_the_newest_log_of_the_samples_is_read() -> None:
    first, last = Snapshot(files={"dmesg": NEW + "\n"}), Snapshot(files={"sos_commands/kernel/dmesg": ""})
    found = kernel_log_of([first, last])
    assert found is not None and (found.file, found.requests) == ("t1/sos_commands/kernel/dmesg", ())
    # A capture that was broken off has none in its last sample.
    found = kernel_log_of([first, Snapshot(files={})])
    assert found is not None and (found.file, len(found.requests)) == ("t0/dmesg", 1)
    assert kernel_log_of([Snapshot(files={})]) is None


def test_of_many_failures_the_newest_are_kept() -> None:
    lines = [NEW.replace("812.", f"{number}.") + "\n" for number in range(MAX_REQUESTS + 10)]
    found = _log("".join(lines)).requests
    assert [seconds_of(one) for one in (found[0], found[-1])] == [10.000123, MAX_REQUESTS + 9.000123]


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    _log(text + "\n" + NEW + text)


def test_the_report_of_a_kill_is_judged_and_nobody_is_sent_for_the_log() -> None:
    report = diagnose(_sampled(OOM))
    killed, why = _finding(report, "oom-kill-now"), _finding(report, "oom-global")
    assert not report.events
    assert "explain -" not in killed.advice[0].text
    for quote in (killed.evidence[-1], *why.evidence):
        assert quote.file == "t1/dmesg"
        assert quote.quote in OOM.split("\n")[quote.line - 1]
    assert "was killed" in _fact(_sampled(OOM))


def test_the_report_of_a_failure_is_judged() -> None:
    found = diagnose(_sampled(FAILED))
    assert any(one.rule.startswith("allocation-") for one in found.findings)
    assert "page allocation failure of order 0" in _fact(_sampled(FAILED))


def test_a_kill_of_long_ago_is_told_and_not_judged() -> None:
    state = _sampled(OOM, from_seconds=10_000)
    assert not any(finding.rule == "oom-global" for finding in diagnose(state).findings)
    assert "was killed" in _fact(state)


def test_where_the_log_has_no_report_of_the_kill_the_user_is_told_where_to_look() -> None:
    said = _finding(diagnose(_sampled("<6>[    1.000000] booting\n")), "oom-kill-now")
    assert said.advice[0].text == "read the report: `dmesg | keepsane explain -`"


def test_of_several_the_last_is_told_and_how_many_there_are() -> None:
    lines = "".join(NEW.replace("812.", f"{at}.") + "\n" for at in (5, 6, 7))
    assert _fact(_sampled(lines)) == (
        "requests failed 3 times, the last: page allocation failure of order 0, 7 s after boot"
    )
