# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of a whole, as rows with bars and as a picture with its table."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from keepsane.render.cleaned import cleaned
from keepsane.render.html.finding import shares_element
from keepsane.render.text.finding import BAR, percent_words, share_lines
from keepsane.render.text.paint import plain
from keepsane.report import Share

SHARES = (
    Share("programs", 600 * 1024, "what programs allocated"),
    Share("<b>tmpfs</b>\x1b[31m", 399 * 1024),
    Share("free", 1024),
)


def test_rows_stand_below_each_other_and_bars_are_as_long_as_their_part() -> None:
    lines = list(share_lines(cleaned(SHARES), plain))

    # 600, 399 and 1 of 1000: 60, 40 and less than half a percent.
    assert [re.search(r"<?\d+ %", line)[0] for line in lines] == ["60 %", "40 %", "<1 %"]  # type: ignore[index]
    assert [line.count("#") for line in lines] == [12, 8, 0]
    assert len({line.index(" %") for line in lines}) == 1
    assert "\x1b" not in "".join(lines)


def test_no_bar_is_longer_than_the_whole() -> None:
    assert next(share_lines((Share("all", 5),), plain)).count("#") == BAR


def test_no_parts_give_nothing() -> None:
    assert list(share_lines((), plain)) == []
    assert shares_element(()) == ""
    assert shares_element((Share("nothing", 0),)) == ""


def test_the_picture_has_a_rectangle_for_each_part_and_the_same_in_words() -> None:
    page = shares_element(SHARES)
    tree = ElementTree.fromstring(page)

    picture = tree.find("svg")
    assert picture is not None
    assert [float(part.get("width", "")) for part in picture] == [60.0, 39.9, 0.1]
    assert picture.get("role") == "img"
    assert picture.get("aria-label") == "programs 60 %; <b>tmpfs</b> 40 %; free <1 %"
    assert len(tree.findall(".//tr")) == len(SHARES)
    assert "<b>" not in page


def test_a_part_of_nothing_is_nothing() -> None:
    assert percent_words(0, 0) == "0 %"
