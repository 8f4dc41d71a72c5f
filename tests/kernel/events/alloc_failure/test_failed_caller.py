# SPDX-License-Identifier: GPL-2.0-or-later
"""Every failed allocation is answered: harmless, or not, or it cannot be told and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from keepsane.api import explain
from keepsane.kernel.events.alloc_failure.failure import AllocFailure
from keepsane.kernel.events.alloc_failure.purpose import harm_words, is_harmless
from tests.golden import CASES, events_of, read_case


def failure(case: str) -> AllocFailure:
    return next(one for one in events_of(read_case(CASES / case).log) if isinstance(one, AllocFailure))


def test_a_module_that_nobody_knows_is_named_and_not_judged() -> None:
    event = failure("alloc-failure/lab-atomic0-6.12.case")
    assert harm_words(event) == (
        "cannot be told: exhaust [crashme] is not among the callers that keepsane knows"
    )
    assert not is_harmless(event)


def test_a_packet_now_and_then_is_no_loss() -> None:
    # page_to_skb of virtio_net, under its poll function: a packet that arrives.
    assert harm_words(failure("rules/allocation-shortage.case")).startswith("once, yes; often, no: packets")


def test_a_report_that_does_not_say_who_asked_says_so() -> None:
    log = read_case(CASES / "alloc-failure/lab-atomic0-6.12.case").log
    cut = "\n".join(line for line in log.splitlines() if "+0x" not in line)
    event = next(one for one in events_of(cut) if isinstance(one, AllocFailure))
    assert harm_words(event) == "cannot be told: the report does not say who asked"


@pytest.mark.parametrize("path", sorted(CASES.glob("rules/allocation-*.case")), ids=lambda path: path.stem)
def test_the_answer_agrees_with_the_findings(path: Path) -> None:
    for event in events_of(read_case(path).log):
        if isinstance(event, AllocFailure):
            starts = ("yes: ", "probably: ") if is_harmless(event) else ("no: ", "once, ", "cannot be told: ")
            assert harm_words(event).startswith(starts)


def test_what_cannot_be_told_is_among_the_failures_too() -> None:
    report = explain(read_case(CASES / "alloc-failure/lab-atomic0-6.12.case").log)
    said = "whether it is harmless: exhaust [crashme] is not among the callers that keepsane knows"
    assert any(said in failure for failure in map(str, report.failures))
