# SPDX-License-Identifier: GPL-2.0-or-later
"""What a finding says is what its log shows, and no more."""

from __future__ import annotations

import pytest

from keepsane.api import explain
from keepsane.report import Finding
from tests.golden import CASES, read_case


def said(slug: str, rule: str, replaced: tuple[str, str] = ("", "")) -> Finding:
    log = read_case(CASES / f"rules/{slug}.case").log.replace(*replaced)
    return next(found for found in explain(log, cache=False).findings if found.rule == rule)


def words(finding: Finding) -> str:
    return "\n".join((finding.title, finding.explanation, *(step.text for step in finding.advice)))


@pytest.mark.parametrize(
    ("slug", "rule", "shown", "not_shown"),
    [
        (
            "per-cpu-operation-while-preemptible",
            "per-cpu-data-while-preemptible",
            "behind __this_cpu_read() in widget_pick",
            "asked for in",  # the check inside of the operation is no caller
        ),
        ("page-with-known-owner", "page-in-impossible-state", "who freed it last", "start with page_owner"),
        ("page-in-impossible-state", "page-in-impossible-state", "start with page_owner=on", "freed it last"),
        ("way-by-softirq-of-the-task", "way-into-the-code", "let softirqs in again", "only interrupted"),
        ("way-by-timer-in-interrupt", "way-into-the-code", "only interrupted", "let softirqs in again"),
        ("way-by-asynchronous-call", "way-into-the-code", "hands widget_scan to async_schedule()", "queues"),
        ("assertion-of-no-writer", "two-sides-of-race", "find who writes it", "mark both accesses"),
        ("two-sides-of-race", "two-sides-of-race", "mark both accesses", "find who writes it"),
        (
            "sleeping-task-interrupted",
            "warning-of-known-meaning",
            "called in an interrupt or a softirq",
            "prepare_to_wait()",  # the state is that of the task that was interrupted
        ),
        ("divisor-was-zero", "divisor-was-zero", "became zero in the sum", "A size or a rate"),
        ("two-reports-at-once", "consequence-of-earlier-report", "at the same time", "not in this log"),
        (
            "oops-where-no-task-can-end",
            "oops-where-no-task-can-end",
            "with bottom halves off",
            "inside of an interrupt:",
        ),
    ],
)
def test_a_finding_says_what_its_log_shows(slug: str, rule: str, shown: str, not_shown: str) -> None:
    text = words(said(slug, rule))
    assert shown in text
    assert not_shown not in text


@pytest.mark.parametrize(("address", "why"), [("76f31e30", "followed directly"), ("00000e30", "NULL")])
def test_user_memory_of_arm_while_access_is_off(address: str, why: str) -> None:
    found = said("user-memory-while-access-is-off", "user-memory-while-access-is-off", ("76f31e30", address))
    assert f"used {int(address, 16):#x}" in found.title
    assert why in found.explanation


@pytest.mark.parametrize(
    ("other", "shown"),
    [("widget", "kept widget_release from freeing it"), ("gadget", "may have had another owner before")],
)
def test_who_freed_memory_that_may_have_changed_hands(other: str, shown: str) -> None:
    log = read_case(CASES / "rules/object-used-after-release.case").log
    used, had, rest = log.partition("Allocated by task")
    log = used + had + rest.replace("widget_", f"{other}_")
    found = next(one for one in explain(log, cache=False).findings if one.rule == "object-used-after-release")
    assert shown.replace("widget_", f"{other}_") in words(found)


def test_a_task_that_sleeps_on_its_way_to_sleep() -> None:
    log = read_case(CASES / "rules/sleeping-task-interrupted.case").log
    by_itself = "".join(
        line
        for line in log.splitlines(keepends=True)
        if not any(name in line for name in ("timer", "irq", "IRQ"))
    )
    found = next(
        one for one in explain(by_itself, cache=False).findings if one.rule == "warning-of-known-meaning"
    )
    assert "prepare_to_wait()" in words(found)


def test_softirqs_of_ksoftirqd_interrupted_nobody() -> None:
    found = said(
        "way-by-timer-in-interrupt", "way-into-the-code", ("irq_exit_rcu+0xb8", "run_ksoftirqd+0x2d")
    )
    assert "ksoftirqd only ran it" in found.explanation


@pytest.mark.parametrize("origin", ["", "kernel: ", "KASAN: ", "UBSAN: "])
def test_a_panic_by_panic_on_warn_whoever_asked(origin: str) -> None:
    log = f"[   41.000000] Kernel panic - not syncing: {origin}panic_on_warn set ...\n"
    (found,) = explain(log, cache=False).findings
    assert found.rule == "panic-was-configured"
    assert "kernel.panic_on_warn" in found.title
