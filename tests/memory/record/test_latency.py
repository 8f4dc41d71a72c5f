# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import os
import re
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.cli import main
from keepsane.errors import InputError
from keepsane.memory.record.latency import parse_latency, read_latency
from tests.memory.record.test_record import BEGAN as RECORDED
from tests.memory.record.test_record import recorded, samples

ZONE = timezone(timedelta(hours=1))
BEGAN, ENDED = 1_763_950_200.0, 1_764_036_600.0  # 03:10 to 03:10 of 2025-11-25 in ZONE


def test_each_way_to_write_the_time_is_read_and_the_points_are_put_in_order() -> None:
    text = "1764036500,7.5\n2025-11-25T03:00:00+01:00,2\n03:05:00,1e3\n"
    found = parse_latency(text, began=BEGAN, ended=ENDED, zone=ZONE)
    # 03:10 is 1764036600, so 03:00 is 600 s and 03:05 300 s before it.
    assert found.points == ((1764036000.0, 2.0), (1764036300.0, 1000.0), (1764036500.0, 7.5))
    assert (found.bad_lines, found.outside) == (0, 0)


def test_the_header_names_the_value_and_is_no_bad_line() -> None:
    found = parse_latency("time,p99_ms\n1764036500,7\n", began=BEGAN, ended=ENDED)
    assert (found.label, found.bad_lines, len(found.points)) == ("p99_ms", 0, 1)


def test_bad_lines_are_counted_and_the_first_is_named() -> None:
    text = "1764036500,7\n\nhello\n1764036501,slow\n1764036502,nan\n1764036503,inf\n1764036504;8\n"
    found = parse_latency(text, began=BEGAN, ended=ENDED)
    assert (found.bad_lines, found.first_bad_line, len(found.points)) == (4, 3, 2)


def test_quotes_tabs_and_further_columns_are_no_obstacle() -> None:
    found = parse_latency('"1764036500","7","x,y"\n1764036501\t8\tz\n', began=BEGAN, ended=ENDED)
    assert [point.value for point in found.points] == [7.0, 8.0]


def test_points_before_and_after_the_record_are_counted_and_left_out() -> None:
    found = parse_latency("1763950199,1\n1763950200,2\n1764036601,3\n", began=BEGAN, ended=ENDED)
    assert (found.outside, [point.value for point in found.points]) == (2, [2.0])


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_bytes(b"\xef\xbb\xbf1764036500,7\r\n")
    found = read_latency(path, began=BEGAN, ended=ENDED)
    assert len(found.points) == 1 and found.bad_lines == 0


def test_a_file_without_a_time_and_value_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("nothing\nhere\n")
    with pytest.raises(InputError, match=r"no line of .* is a time and a value"):
        read_latency(path, began=BEGAN, ended=ENDED)
    with pytest.raises(InputError, match="cannot read"):
        read_latency(tmp_path / "absent", began=BEGAN, ended=ENDED)


@given(st.text() | st.lists(st.from_regex(r"[0-9:.,;e+\- T]{0,40}", fullmatch=True)).map("\n".join))
def test_any_text_is_read_and_every_line_is_accounted_for(text: str) -> None:
    found = parse_latency(text, began=BEGAN, ended=ENDED, zone=ZONE)
    lines = sum(bool(line.strip()) for line in text.splitlines())
    header = found.label != "your measurements"
    assert found.bad_lines + found.outside + len(found.points) in (lines, lines - header)


@pytest.mark.parametrize("value", ["1e308", "-1e308", "1e999", "nan", "inf", "-inf", "1" + "0" * 29])
def test_what_no_plot_can_show_is_a_bad_line_and_the_page_stays_right(tmp_path: Path, value: str) -> None:
    record, lines, page = recorded(tmp_path / "r", samples(30)), tmp_path / "l.csv", tmp_path / "p.html"
    lines.write_text(
        f"time,ms\n{RECORDED + 1},1\n{RECORDED + 2},{value}\n{RECORDED + 3},{value}\n{RECORDED + 4},2\n"
    )
    main(["memory", str(record), "--latency", str(lines), "--format", "html", "-o", str(page)])

    drawn = re.findall(r'<path[^>]* d="([^"]*)"', page.read_text())
    assert drawn
    assert not any(word in path for path in drawn for word in ("nan", "inf"))
    assert "lines without a time and value: 2, the first is line 3" in page.read_text()


def test_the_smallest_numbers_are_zero(tmp_path: Path) -> None:
    found = parse_latency("1700000001,5e-324\n1700000002,1e-300\n", began=0, ended=2e9)
    assert [point.value for point in found.points] == [0.0, 0.0]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="no regular file"):
        read_latency(tmp_path / "pipe", began=0, ended=1)
