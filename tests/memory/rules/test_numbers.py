# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever numbers the files hold, no rule about memory fails, and each answers exactly once."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from keepsane.judge import load, run
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import MemoryState, state_of
from keepsane.report import Failure, Finding, RuledOut
from tests.memory_case import memory_cases

RULES = {name for name, rule in load().items() if rule.on is MemoryState}
FILES = sorted({path for case in memory_cases() for path in case.paths()} - {"proc/uptime", "proc/version"})
LINES = {
    path: sorted(
        {line for case in memory_cases() for one in case.samples for line in one.get(path, "").splitlines()}
    )
    for path in FILES
}
numbers = st.one_of(st.integers(0, 3), st.integers(0, 10**7), st.just(2**64 - 1))


@st.composite
def samples(draw: st.DrawFn) -> tuple[Snapshot, ...]:
    """Lines of the cases, shuffled between the files' kinds of lines, with numbers of no sense."""
    made = []
    for at in (100, draw(st.sampled_from([99, 100, 110]))):
        files = {"proc/uptime": f"{at}.00 1.00\n"}
        for path in draw(st.lists(st.sampled_from(FILES), unique=True)):
            lines = draw(st.lists(st.sampled_from(LINES[path]), max_size=12))
            files[path] = "".join(f"{_renumbered(line, draw(numbers))}\n" for line in lines)
        made.append(Snapshot(files=files))
    return tuple(made)


def _renumbered(line: str, number: int) -> str:
    words = line.split(" ")
    at = next((at for at in range(len(words) - 1, 0, -1) if words[at].isdigit()), None)
    return line if at is None else " ".join([*words[:at], str(number), *words[at + 1 :]])


def answered(state: MemoryState) -> Counter[str]:
    names: Counter[str] = Counter()
    for answer in run((state,)):
        if isinstance(answer, Failure):
            assert "the rule itself failed" not in answer.why, answer.why
            names[answer.what.removeprefix("rule ")] += 1
        else:
            assert isinstance(answer, (Finding, RuledOut))
            names[answer.rule] += 1
    return names


@settings(deadline=None)
@given(samples())
def test_no_numbers_make_a_rule_fail_and_each_answers_once(snapshots: tuple[Snapshot, ...]) -> None:
    state = state_of(snapshots)
    assert state is not None
    assert answered(state) == Counter(RULES)


def test_an_empty_sample_makes_every_rule_say_that_it_cannot_tell() -> None:
    state = state_of((Snapshot(files={}),))
    assert state is not None
    assert {type(answer) for answer in run((state,))} == {Failure}
