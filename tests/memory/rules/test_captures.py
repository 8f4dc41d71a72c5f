# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the rules about memory say of real kernels in trouble, and of some that are well.

The captures were provoked on purpose: their names say what is wrong, which is the other source of truth here.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from keepsane.judge import load, run
from keepsane.memory.capture.capture import read_capture
from keepsane.memory.rules.order import in_order
from keepsane.memory.state import MemoryState, state_of
from keepsane.report import Failure, Finding
from tests.live.conditions import VERDICTS, verdicts

load()
FOLDER = Path(__file__).parents[2] / "cases" / "memory"
CAPTURES = sorted(FOLDER.glob("*.tar.gz"))
captures = pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name.removesuffix(".tar.gz"))
pytestmark = pytest.mark.skipif(not CAPTURES, reason="there are no captures in tests/cases/memory")

ALONE = {
    "global-direct-reclaim": {"late-kswapd"},
    "kswapd-too-late": {"late-kswapd", "late-kswapd-fixed"},
    "real-shortage": {"real-shortage", "swap-thrash"},
    "oom-kill-now": {"cgroup-oom", "real-shortage"},
    "thrash-file": {"real-shortage"},
    "swap-with-free": set[str](),
    "huge-cache-lru-spike": set[str](),
    "numa-balancing-cost": set[str](),
}
"""Further rules of this kind may speak of these conditions, and of no others."""


def condition_of(path: Path) -> tuple[str, str]:
    found = re.fullmatch(r"([\w-]+?)-(\d+\.\d+)\.tar\.gz", path.name)
    assert found is not None, path
    return found[1], found[2]


def read_state(path: Path) -> MemoryState:
    state = state_of(read_capture(path))
    assert state is not None
    return state


def above_info(state: MemoryState) -> set[str]:
    return {one.rule for one in run((state,)) if isinstance(one, Finding) and one.severity != "info"}


@captures
def test_what_was_provoked_is_found(path: Path) -> None:
    expected = verdicts(*condition_of(path))
    fired = {one.rule for one in run((read_state(path),)) if isinstance(one, Finding)}
    assert not expected or fired & set(expected)


@captures
def test_what_was_provoked_is_the_verdict(path: Path) -> None:
    expected = verdicts(*condition_of(path))
    first = next(iter(in_order(one for one in run((read_state(path),)) if isinstance(one, Finding))), None)
    assert not expected or (first is not None and first.rule in expected)


@captures
def test_nothing_else_is_blamed(path: Path) -> None:
    condition, series = condition_of(path)
    expected = verdicts(condition, series)
    provoked = {name for names in VERDICTS.values() for name in names}
    for name in above_info(read_state(path)) & (provoked | set(ALONE)):
        assert name in expected or condition in ALONE.get(name, ()), name


@captures
def test_machines_that_are_well_get_no_finding_above_info(path: Path) -> None:
    if condition_of(path)[0].startswith("healthy"):
        assert above_info(read_state(path)) == set()


@captures
def test_no_rule_fails_on_a_real_machine(path: Path) -> None:
    failures = [one for one in run((read_state(path),)) if isinstance(one, Failure)]
    assert not [one.why for one in failures if "the rule itself failed" in one.why]
