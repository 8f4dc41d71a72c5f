# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers under the kernel's names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.memory.proc.counters import MAX_NAMES, parse_counters


def test_a_name_that_is_not_there_is_none_and_not_zero() -> None:
    found = parse_counters("numa_hit 8969243\nnuma_miss 0\n")

    assert found.get("numa_hit") == 8969243
    assert found.get("numa_miss") == 0
    assert found.get("numa_foreign") is None
    assert found.total(("numa_foreign", "other_node")) is None


def test_a_number_that_may_be_cut_is_not_read() -> None:
    assert parse_counters("pgfault 7881005\npgmajfault 10").get("pgmajfault") is None


def test_a_counter_below_zero_keeps_its_sign() -> None:
    # A per-CPU difference can make a counter transiently negative, and old kernels printed it so.
    assert parse_counters("nr_writeback -3\n").get("nr_writeback") == -3


def test_names_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        parse_counters("a 1\n").numbers["a"] = 2  # type: ignore[index]


def test_there_is_a_limit_on_names() -> None:
    assert len(parse_counters("".join(f"a{n} 1\n" for n in range(MAX_NAMES + 10)))) == MAX_NAMES


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert len(parse_counters(text)) <= text.count("\n")
