# SPDX-License-Identifier: GPL-2.0-or-later
"""Pressure stall information, as psi_show() prints it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.memory.proc.psi import parse_pressure, stalled_percent

TEXT = """\
some avg10=0.34 avg60=0.20 avg300=0.19 total=4672522
full avg10=0.07 avg60=0.08 avg300=0.11 total=3323470
"""


def test_both_lines_are_read() -> None:
    pressure = parse_pressure(TEXT)

    assert pressure is not None
    assert (pressure.get("some"), pressure.get("full")) == (4672522, 3323470)


def test_the_cpu_of_an_older_kernel_has_no_full_line() -> None:
    pressure = parse_pressure(TEXT.splitlines(keepends=True)[0])

    assert pressure is not None and pressure.get("full") is None


def test_no_line_is_no_pressure_and_not_none_of_it() -> None:
    assert parse_pressure("") is None


def test_the_share_between_two_samples() -> None:
    # 1.5 s of 10 s stood still
    assert stalled_percent(1_000_000, 2_500_000, 10.0) == pytest.approx(15.0)


@pytest.mark.parametrize(
    ("before", "after", "seconds"),
    [(None, 1_000_000, 10.0), (1_000_000, None, 10.0), (5, 5, None), (1_000_000, 5, 10.0)],
)
def test_what_is_missing_or_went_backwards_gives_no_share(
    before: int | None, after: int | None, seconds: float | None
) -> None:
    assert stalled_percent(before, after, seconds) is None


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    parse_pressure(text)
