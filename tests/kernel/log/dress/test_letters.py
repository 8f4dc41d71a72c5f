# SPDX-License-Identifier: GPL-2.0-or-later
"""What a page or a terminal made of the kernel's letters."""

from __future__ import annotations

import pytest

from keepsane.kernel.log.dress.letters import unpadded

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
