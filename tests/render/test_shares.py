# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of a whole, as rows with bars and as a picture with its table."""

from __future__ import annotations

import re

from keepsane.render.cleaned import cleaned
from keepsane.render.html.page import markup_of
from keepsane.render.report_page import pieces_of
from keepsane.render.text.writer import BAR, Writer
from keepsane.report import Share
from keepsane.words import percent_words

SHARES = (
    Share("programs", 600 * 1024, "what programs allocated"),
    Share("<b>tmpfs</b>\x1b[31m", 399 * 1024),
    Share("free", 1024),
)


def share_lines(shares: tuple[Share, ...]) -> list[str]:
    return list(Writer().lines([pieces_of(shares)]))


def shares_element(shares: tuple[Share, ...]) -> str:
    return markup_of([pieces_of(shares)])


def test_rows_stand_below_each_other_and_bars_are_as_long_as_their_part() -> None:
    lines = share_lines(cleaned(SHARES))

    # 600, 399 and 1 of 1000: 60, 40 and less than half a percent.
    assert [re.search(r"<?\d+ %", line)[0] for line in lines] == ["60 %", "40 %", "<1 %"]  # type: ignore[index]
    assert [line.count("#") for line in lines] == [12, 8, 0]
    assert len({line.index(" %") for line in lines}) == 1
    assert "\x1b" not in "".join(lines)


def test_no_bar_is_longer_than_the_whole() -> None:
    assert share_lines((Share("all", 5),))[0].count("#") == BAR


def test_no_parts_give_nothing() -> None:
    assert share_lines(()) == []
    assert shares_element(()) == ""
    assert shares_element((Share("nothing", 0),)) == ""


def test_the_page_has_a_bar_for_each_part_and_the_same_in_words() -> None:
    page = shares_element(SHARES)

    assert re.findall(r"width:([\d.]+)%", page) == ["60.00", "39.90", "0.10"]
    assert [page.count(said) for said in ("600 MB", "60 %", "399 MB", "&lt;1 %")] == [1] * 4
    assert page.count("<tr>") == len(SHARES)
    assert "<b>" not in page and "\x1b" not in page


def test_a_part_of_nothing_is_nothing() -> None:
    assert percent_words(0, 0) == "0 %"
