# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures of real kernels in known conditions, read by keepsane and by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from keepsane.memory.capture.capture import read_capture
from keepsane.memory.state import state_of
from tests.live.captures import CASES, FIXED
from tests.live.conditions import CONDITIONS, breaches, mended, rate, read_files

CAPTURES = sorted(CASES.glob("*.tar.gz"))
_NAME = re.compile(rf"(?P<condition>[\w-]+?)(?P<fixed>{FIXED})?-(?P<series>\d+\.\d+)\.tar\.gz")


def name_of(path: Path) -> tuple[str, str, bool]:
    found = _NAME.fullmatch(path.name)
    assert found, path
    return found["condition"], found["series"], bool(found["fixed"])


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_a_capture_shows_what_its_name_says(path: Path) -> None:
    condition, series, fixed = name_of(path)
    if fixed:
        before = path.with_name(f"{condition}-{series}.tar.gz")
        assert mended(condition, series, read_files(before), read_files(path))
    else:
        assert not [*breaches(condition, series, read_files(path))]


def test_every_condition_has_a_capture() -> None:
    assert {name_of(path)[0] for path in CAPTURES} == set(CONDITIONS)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_keepsane_reads_the_rates_that_a_reader_calculates(path: Path) -> None:
    state, samples = state_of(read_capture(path)), read_files(path)
    assert state
    assert state.machine.release
    assert state.machine.release.startswith(f"{name_of(path)[1]}.")
    for counter in ("pgscan_direct", "pswpout", "compact_stall", "numa_miss", "pgfault"):
        assert state.rate(counter) == pytest.approx(rate(samples, counter)), counter


def test_the_captures_stay_small() -> None:
    sizes = [path.stat().st_size for path in CAPTURES]
    assert max(sizes) < 60_000
    assert sum(sizes) < 600_000
