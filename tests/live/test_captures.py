# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures made on this machine show what their names say, as the small copies do that are committed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.captures import Capture, boot_conditions, reduced
from tests.live.conditions import CONDITIONS, rate, read_files

pytestmark = pytest.mark.live


def captured(condition: str) -> Iterator[Capture]:
    return (capture for capture in boot_conditions() if capture.condition == condition)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_fresh_capture_shows_what_its_name_says(condition: str) -> None:
    captures = [capture for capture in captured(condition) if not capture.fixed]
    assert captures
    for capture in captures:
        first, last = read_files(capture.path)
        for counter, least in CONDITIONS[condition].above_in(capture.series).items():
            assert rate(first, last, counter) >= least, (capture.path, counter)
        for counter, most in CONDITIONS[condition].below.items():
            assert rate(first, last, counter) <= most, (capture.path, counter)


@pytest.mark.parametrize("condition", [name for name, one in CONDITIONS.items() if one.promised])
def test_what_is_said_to_mend_a_condition_mends_it(condition: str) -> None:
    rates = {
        (capture.series, capture.fixed): rate(*read_files(capture.path), str(CONDITIONS[condition].promised))
        for capture in captured(condition)
    }
    assert rates
    for (series, fixed), mended in rates.items():
        assert not fixed or mended < rates[series, False] / 2, series


def test_a_small_copy_has_the_same_counters(tmp_path: Path) -> None:
    capture = next(captured("thp-always"))
    small = tmp_path / "small.tar.gz"
    small.write_bytes(reduced(capture.path.read_bytes()))
    for whole, copied in zip(read_files(capture.path), read_files(small), strict=True):
        assert whole["proc/vmstat"] == copied["proc/vmstat"]
        assert copied.items() <= whole.items()
