# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.memory.record.latency import Latency
from keepsane.memory.record.series import Curves, Point, Series, series_of
from keepsane.render.html import page as whole
from keepsane.render.html.plot import plots_element

BEGAN = 1_764_028_800.0  # 2025-11-25 00:00:00 UTC, as `date -u -d @1764028800` says


def series(name: str, *found: float, gap: float = 60.0) -> Series:
    epochs = [BEGAN + at * 60 for at in range(len(found))]
    return series_of(
        epochs, found, BEGAN, BEGAN + 3600, gap, name=name, label=f"label of {name}", unit="pages/s"
    )


def curves(*found: Series, restarts: tuple[float, ...] = ()) -> Curves:
    return Curves(
        began_seconds=BEGAN, ended_seconds=BEGAN + 3600, samples=61, series=found, restarts=restarts
    )


def page(
    *found: Series, asked: tuple[float, ...] = (), latency: Latency | None = None, source: str = "r"
) -> str:
    shown = plots_element(curves(*found, restarts=(BEGAN + 900,)), asked=asked, latency=latency, zone=UTC)
    return whole.page(source, (shown,))


def pictures(html: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(found) for found in re.findall(r"<svg.*?</svg>", html)]


def test_the_page_needs_nothing_else_and_runs_nothing() -> None:
    html = page(series("pgscan_direct", 1, 2))
    assert "<script" not in html and "default-src 'none'" in html
    assert not re.search(r"""(?:src|href)\s*=|url\(""", html)


def test_a_plot_reaches_from_zero_to_its_most_over_the_common_time() -> None:
    (svg,) = pictures(page(series("pgscan_direct", 0, 50, 200)))
    line = next(path.get("d") for path in svg if path.get("class") == "curve")
    # 3600 s are 1000 wide, so a minute is 16.7; 50 of 200 is a quarter of 100 from the bottom.
    assert line == "M0.0 100.0L16.7 75.0L33.3 0.0"


def test_a_line_is_broken_at_a_gap() -> None:
    found = Series(
        name="x",
        label="x",
        unit="",
        middle=1,
        runs=((Point(BEGAN, 1), Point(BEGAN + 60, 1)), (Point(BEGAN + 1800, 2),)),
        least=Point(BEGAN, 1),
        most=Point(BEGAN + 1800, 2),
    )
    (svg,) = pictures(page(found))
    line = next(path.get("d") for path in svg if path.get("class") == "curve")
    assert line == "M0.0 50.0L16.7 50.0 M500.0 0.0L500.0 0.0"


def test_moments_are_marked_in_every_plot_and_named_once() -> None:
    html = page(series("a", 1, 2), series("b", 1, 2), asked=(BEGAN + 1800,))
    for svg in pictures(html):
        marks = {
            path.get("class"): path.get("d") for path in svg if path.get("class") in ("asked", "restart")
        }
        assert marks == {"asked": "M500.0 0V100", "restart": "M250.0 0V100"}
    assert (
        "2025-11-25 00:30:00 the time asked for" in html and "2025-11-25 00:15:00 the machine came up" in html
    )


def test_a_screen_reader_hears_the_name_and_the_numbers_of_each_plot() -> None:
    (svg,) = pictures(page(series("pgscan_direct", 1, 2, 9000)))
    told = {child.get("id"): child.text for child in svg if child.get("id")}
    assert svg.get("role") == "img" and (svg.get("aria-labelledby") or "").split() == list(told)
    title, said = told.values()
    assert title == "label of pgscan_direct pgscan_direct"
    assert (said or "").split("; ") == [
        "least 1 pages/s at 2025-11-25 00:00:00",
        "median 2 pages/s",
        "most 9,000 pages/s at 2025-11-25 00:02:00",
    ]


def test_what_never_happened_and_what_is_not_counted_is_said_in_words() -> None:
    html = page(series("pswpin", 0, 0), series("zone_reclaim_success"))
    assert "Zero all the time: label of pswpin (pswpin)." in html
    assert (
        "Not counted by this kernel, or not read: label of zone_reclaim_success (zone_reclaim_success)."
        in html
    )
    assert pictures(html) == []


@given(st.lists(st.tuples(st.floats(BEGAN, BEGAN + 3600), st.floats(-1e18, 1e18)), min_size=1), st.text())
def test_any_numbers_and_names_make_pictures(points: list[tuple[float, float]], name: str) -> None:
    epochs, found = [time for time, _ in points], [value for _, value in points]
    drawn = series_of(epochs, found, BEGAN, BEGAN + 3600, 60, name=name, label=name, unit="")
    assert len(pictures(page(drawn, series("b", 1, 2)))) in (1, 2)


def test_the_users_own_measurements_are_a_plot_on_the_same_time() -> None:
    own = Latency(
        label="p99_ms",
        points=(Point(BEGAN, 5), Point(BEGAN + 3600, 10)),
        bad_lines=2,
        first_bad_line=7,
        outside=3,
    )
    html = page(latency=own)
    (svg,) = pictures(html)
    assert next(path.get("d") for path in svg if path.get("class") == "curve") == "M0.0 50.0L1000.0 0.0"
    assert "lines without a time and value: 2, the first is line 7" in html
    assert "measurements from before or after the record: 3" in html


def test_what_a_file_says_is_escaped() -> None:
    own = Latency(
        label="<b>&\x1b[31m", points=(Point(BEGAN, 5),), bad_lines=0, first_bad_line=None, outside=0
    )
    html = page(latency=own)
    assert "<b>" not in html and "&lt;b&gt;&amp;" in html and "\x1b" not in html


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        (60, ["00:00:00", "00:00:10", "00:00:20", "00:00:30", "00:00:40", "00:00:50", "00:01:00"]),
        (3600, ["25 Nov", "00:10", "00:20", "00:30", "00:40", "00:50", "01:00"]),
        (86400, ["25 Nov", "06:00", "12:00", "18:00", "26 Nov"]),
        # Every second day since 1970; the 25th is day 20417, which is odd.
        (7 * 86400, ["26 Nov", "28 Nov", "30 Nov", "02 Dec"]),
    ],
)
def test_the_times_below_a_plot_are_round_ones(seconds: float, labels: list[str]) -> None:
    ended = BEGAN + seconds
    found = series_of([BEGAN, ended], [1, 2], BEGAN, ended, 1e9, name="", label="", unit="")
    span = Curves(began_seconds=BEGAN, ended_seconds=ended, samples=2, series=(found,), restarts=())
    html = plots_element(span, zone=UTC)
    assert re.findall(r'<span style="left:[\d.]+%">(.*?)</span>', html) == labels


def test_the_times_are_those_of_the_zone() -> None:
    shown = series("a", 1, 2)
    html = plots_element(curves(shown), zone=timezone(timedelta(hours=5, minutes=30)))
    assert "most</dt><dd><div>2 pages/s at 2025-11-25 05:31:00" in html and "UTC+0530" in html
