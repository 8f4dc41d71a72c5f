# SPDX-License-Identifier: GPL-2.0-or-later
"""What every rule about memory must keep to: its cases, its quotes, and what missing files may change."""

from __future__ import annotations

import pytest

from keepsane.judge import load, run
from keepsane.memory.state import MemoryState
from keepsane.report import Failure, Finding, RuledOut
from tests.memory_case import MemoryCase, memory_cases

RULES = {name: rule for name, rule in load().items() if rule.on is MemoryState}
CASES = memory_cases()
ids = pytest.mark.parametrize("case", CASES, ids=lambda case: case.slug)


def answers(state: MemoryState | None) -> list[Finding | Failure | RuledOut]:
    return [] if state is None else list(run((state,)))


def fired(state: MemoryState | None) -> set[str]:
    return {answer.rule for answer in answers(state) if isinstance(answer, Finding)}


def must_be_sound(case: MemoryCase, state: MemoryState | None) -> None:
    for answer in answers(state):
        if isinstance(answer, Failure):
            assert "the rule itself failed" not in answer.why, answer.why
        if isinstance(answer, Finding):
            assert answer.evidence, answer.rule
            for evidence in answer.evidence:
                sample, _, path = evidence.file.partition("/")
                lines = case.samples[int(sample.removeprefix("t"))][path].splitlines()
                assert evidence.quote in lines[evidence.line - 1]


@pytest.mark.parametrize("name", RULES)
def test_a_rule_has_a_case_that_fires_and_one_that_nearly_does(name: str) -> None:
    assert any(name in case.fires for case in CASES)
    assert any(name in case.near for case in CASES)


@ids
def test_those_rules_fire_that_the_case_names(case: MemoryCase) -> None:
    assert fired(case.state()) == case.fires
    assert case.fires | case.near <= set(RULES)


@ids
def test_quotes_stand_in_the_files_and_no_rule_fails(case: MemoryCase) -> None:
    must_be_sound(case, case.state())


@ids
def test_a_missing_file_makes_no_rule_fail_and_none_fire_that_did_not(case: MemoryCase) -> None:
    for path in case.paths():
        state = case.state(without=path)
        must_be_sound(case, state)
        assert fired(state) <= case.fires, path


@ids
def test_one_sample_alone_says_nothing_of_rates(case: MemoryCase) -> None:
    single = case._replace(samples=case.samples[-1:])
    assert fired(single.state()) <= case.fires
    must_be_sound(single, single.state())


@ids
def test_a_command_comes_with_its_undo_and_its_check(case: MemoryCase) -> None:
    findings = [answer for answer in answers(case.state()) if isinstance(answer, Finding)]
    for finding in findings:
        for advice in finding.advice:
            assert advice.command is None or (advice.undo and advice.verify), finding.rule
