# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures made on this machine show what their names say, and keepsane says the same of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from keepsane.api import diagnose
from keepsane.memory.capture.capture import read_capture
from keepsane.memory.state import state_of
from tests.live.captures import TELLING, Capture, boot_conditions, reduced
from tests.live.conditions import CONDITIONS, breaches, mended, read_files, verdicts

pytestmark = pytest.mark.live


def captured(condition: str, *, fixed: bool = False) -> dict[str, Capture]:
    """By series."""
    found = [one for one in boot_conditions() if (one.condition, one.fixed) == (condition, fixed)]
    if not found and condition not in TELLING:
        pytest.skip(f"there is no fresh capture: tests/live/lab memory {condition}")
    return {one.series: one for one in found}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_fresh_capture_shows_what_its_name_says(condition: str) -> None:
    captures = captured(condition)
    assert captures
    for series, capture in captures.items():
        assert not [*breaches(condition, series, read_files(capture.path))], capture.path


@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_first_finding_is_what_was_provoked_and_a_healthy_kernel_has_none(condition: str) -> None:
    for series, capture in captured(condition).items():
        state = state_of(read_capture(capture.path))
        assert state
        expected, findings = verdicts(condition, series), diagnose(state).findings
        if expected:
            assert findings and findings[0].rule in expected, capture.path
        else:
            assert all(one.severity == "info" for one in findings), capture.path


@pytest.mark.parametrize("condition", [name for name, one in CONDITIONS.items() if one.promised])
def test_what_is_said_to_mend_a_condition_mends_it(condition: str) -> None:
    before, after = captured(condition), captured(condition, fixed=True)
    assert after
    for series, capture in after.items():
        assert mended(condition, series, read_files(before[series].path), read_files(capture.path)), (
            capture.path
        )


def test_a_small_copy_has_the_same_counters(tmp_path: Path) -> None:
    capture = captured("thp-always")["6.12"]
    small = tmp_path / "small.tar.gz"
    small.write_bytes(reduced(capture.path.read_bytes()))
    for whole, copied in zip(read_files(capture.path), read_files(small), strict=True):
        assert whole["proc/vmstat"] == copied["proc/vmstat"]
        assert copied.items() <= whole.items()
