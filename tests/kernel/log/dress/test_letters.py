# SPDX-License-Identifier: GPL-2.0-or-later
"""What a page or a terminal made of the kernel's letters."""

from __future__ import annotations

import pytest

from keepsane.kernel.log.dress.letters import escaped_lines, unpadded

ROW = "[    2.522595] Modules linked in: widget_drm(+) widget_codec widget_core widget_"


@pytest.mark.parametrize("columns", [120, 141, 341])
def test_rows_of_a_terminal_are_joined_where_they_were_cut(columns: int) -> None:
    assert len(ROW) == 80
    assert unpadded(ROW.ljust(columns) + "ail") == ROW + "ail"


def test_a_row_one_column_short_ended_with_a_space() -> None:
    assert unpadded(ROW[:79].ljust(200) + "tail") == ROW[:79] + " tail"


@pytest.mark.parametrize(
    "line",
    [
        "bf00:" + " " * 55 + "3c9ef3a7 55505821",
        "[   12.000000] widget: a table" + " " * 60 + "of its own",
        ROW + " " * 60,
        ROW.ljust(140) + "x" * 90,
    ],
)
def test_other_wide_lines_stay(line: str) -> None:
    assert unpadded(line) == line


def test_line_feeds_that_a_logger_escaped_are_lines_behind_its_front() -> None:
    front = "May  5 12:00:01 pot kernel: [   71.123456] "
    message = f"{front}#012other info#012#011of locks:#012"
    assert escaped_lines(message) == (f"{front}other info", f"{front}\tof locks:")


@pytest.mark.parametrize(
    "line",
    [
        "May  5 12:00:01 pot widgetd[77]: a#012b",
        "colours: #012 #011",
        "May  5 12:00:01 pot kernel: widget #0123 is lost",
    ],
)
def test_other_marks_stay(line: str) -> None:
    assert escaped_lines(line) == (line,)
