# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keepsane.memory.record.columns import filled, numbers_of, pack_column, parted, steps_bytes, texts_of

COUNTER = st.integers(0, 10**17 - 1).map(str)
NUMBER = st.one_of(COUNTER, st.from_regex(r"[0-9]{1,17}", fullmatch=True).filter(str.isascii))


def test_a_line_of_vmstat_is_parted_at_its_number_and_not_within_its_name() -> None:
    assert parted("pgalloc_dma32 4711\n") == ("pgalloc_dma32 \0\n", ("4711",))


def test_a_number_of_more_than_17_digits_stays_in_the_text() -> None:
    # What a counter below zero looks like where the kernel prints it as unsigned.
    assert parted("nr_isolated 18446744073709551615\n")[1] == ()


def test_steps_of_a_counter_that_rises_slowly_take_a_byte_each() -> None:
    column = pack_column(("1000", "1001", "1003", "1002"))
    assert (column.first, column.steps) == (1000, b"\x01\x02\xff")


def test_steps_are_as_wide_as_the_largest_needs() -> None:
    # The largest steps up and down of 1, 2 and 4 signed bytes, and one more.
    limits = (("127", 1), ("128", 2), ("32767", 2), ("32768", 4), ("2147483647", 4), ("2147483648", 8))
    assert [(step, len(pack_column(("0", step)).steps)) for step, _ in limits] == list(limits)


def test_a_number_that_stays_takes_nothing() -> None:
    assert pack_column(("7",) * 600).steps == b"" and pack_column(("07",) * 600).steps == b""


@given(st.text())
def test_any_text_comes_back_whole(text: str) -> None:
    skeleton, numbers = parted(text)
    assert (next(filled(skeleton, [numbers])) if numbers else skeleton) == text


@given(st.lists(NUMBER, min_size=1, max_size=20))
def test_any_numbers_come_back_with_their_leading_zeros(numbers: list[str]) -> None:
    column = pack_column(numbers)
    assert list(texts_of(column, len(numbers))) == numbers
    assert numbers_of(column, len(numbers)) == [int(number) for number in numbers]
    assert len(column.steps) == steps_bytes(column.code, len(numbers))
