# SPDX-License-Identifier: GPL-2.0-or-later
"""
The series of a record as plots, one below the other over the same time, without scripts.

What the user measured is laid over the same time as a plot of its own. That two plots rise at once is left to
the reader: no cause is guessed from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Literal, NamedTuple

from keepsane.memory.record.latency import Latency
from keepsane.memory.record.series import GAP_STEPS, Curves, Point, Series, series_of, usual_step_seconds
from keepsane.render.html.element import Markup, details, element, joined, rows, say, span

MAX_TICKS = 6
_STEPS_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_WORDS = {"asked": "the time asked for", "restart": "the machine came up"}
WIDTH, HEIGHT = 1000, 100


class _Moment(NamedTuple):
    """A time to be marked, and what it is: one that was asked for, or a restart of the machine."""

    epoch_seconds: float
    kind: Literal["asked", "restart"]


class _Axis(NamedTuple):
    """The time that every plot of a page reaches over, and the times in it that are marked."""

    began_seconds: float
    ended_seconds: float
    moments: tuple[_Moment, ...]
    zone: tzinfo | None

    def share(self, epoch_seconds: float) -> float:
        """Where a time lies, from 0 to 1."""
        return (epoch_seconds - self.began_seconds) / max(self.ended_seconds - self.began_seconds, 1e-9)

    def said(self, epoch_seconds: float, form: str = "%Y-%m-%d %H:%M:%S") -> str:
        """Say a time in the zone of the page."""
        return datetime.fromtimestamp(epoch_seconds, UTC).astimezone(self.zone).strftime(form)

    def ticks(self) -> tuple[float, ...]:
        """Give the round times that have a line and a label."""
        began, ended = self.began_seconds, self.ended_seconds
        fitting = (step for step in _STEPS_SECONDS if (ended - began) / step <= MAX_TICKS)
        step = next(fitting, 86400 * (1 + int((ended - began) / 86400 / MAX_TICKS)))
        offset = datetime.fromtimestamp(began, UTC).astimezone(self.zone).utcoffset()
        shift = offset.total_seconds() if offset else 0.0
        first = int(-(-(began + shift) // step))
        times = (number * step - shift for number in range(first, first + MAX_TICKS + 1))
        return tuple(time for time in times if began <= time <= ended)


def plots_element(
    curves: Curves,
    *,
    asked: Sequence[float] = (),
    latency: Latency | None = None,
    zone: tzinfo | None = None,
) -> Markup:
    """
    Give the plots as a part of a page.

    `asked` are times to mark, in seconds since 1970; `zone` is the time zone to tell times in, by default
    this machine's.
    """
    moments = [_Moment(time, "asked") for time in asked]
    moments += [_Moment(time, "restart") for time in curves.restarts]
    axis = _Axis(curves.began_seconds, curves.ended_seconds, tuple(moments), zone)
    shown = (
        curve for curve in curves.series if curve.most and (curve.most.value or curve.least != curve.most)
    )
    plots = [_plot(series, axis, number) for number, series in enumerate(shown, 1)]
    own = () if latency is None else _own(latency, axis)
    return element("section", *_legend(curves, axis), *own, *plots, *_absent(curves), kind="plots")


def _own(latency: Latency, axis: _Axis) -> Iterator[Markup]:
    began, ended = axis.began_seconds, axis.ended_seconds
    epochs = [point.epoch_seconds for point in latency.points]
    values = [point.value for point in latency.points]
    gap = GAP_STEPS * usual_step_seconds(epochs)
    label = f"{latency.label}, as you measured it"
    series = series_of(epochs, values, began, ended, gap, name="", label=label, unit="")
    if latency.points:
        yield _plot(series, axis, 0)
    said = []
    if latency.outside:
        said.append(f"measurements from before or after the record: {latency.outside}")
    if latency.bad_lines:
        first = f"the first is line {latency.first_bad_line}"
        said.append(f"lines without a time and value: {latency.bad_lines}, {first}")
    if said:
        yield element("p", say(f"Left out are {'; '.join(said)}."), kind="doubt")


def _plot(series: Series, axis: _Axis, number: int) -> Markup:
    caption = span("name", series.label), span("dim", series.name), span("most", _range(series))
    figures = tuple(_figures(series, axis))
    return element(
        "figure",
        element("figcaption", *caption),
        _svg(series, axis, f"plot-{number}", "; ".join(f"{name} {text}" for name, text in figures)),
        _labels(axis),
        details(say("numbers"), rows(figures), kind="part"),
        kind="plot" if number else "plot own",
    )


def _range(series: Series) -> str:
    if series.least is None or series.most is None:
        return ""
    least = f"{_number(series.least.value)} to " if series.least.value > 0 else "at most "
    return f"{least}{_number(series.most.value)} {series.unit}".rstrip()


def _figures(series: Series, axis: _Axis) -> Iterator[tuple[str, str]]:
    for name, point in (("least", series.least), ("most", series.most)):
        if name == "most" and series.middle is not None:
            yield "median", f"{_number(series.middle)} {series.unit}"
        if point is not None:
            yield name, f"{_number(point.value)} {series.unit} at {axis.said(point.epoch_seconds)}"


def _labels(axis: _Axis) -> Markup:
    """Give the times below a plot; a screen reader has them in the plot's own words."""
    form = "%H:%M:%S" if axis.ended_seconds - axis.began_seconds < 300 else "%H:%M"
    labels = []
    for tick in axis.ticks():
        said = axis.said(tick, form)
        said = axis.said(tick, "%d %b") if said == "00:00" else said
        labels.append(f'<span style="left:{axis.share(tick) * 100:.2f}%">{say(said)}</span>')
    return Markup(f'<div class="ticks" aria-hidden="true">{"".join(labels)}</div>')


def _legend(curves: Curves, axis: _Axis) -> Iterator[Markup]:
    zone_name = axis.said(curves.ended_seconds, "UTC%z")
    said = f"{curves.samples:,} samples; times are {zone_name}. The top of each plot is its most, "
    where = "the bottom is 0. A line is broken where samples are missing."
    yield element("p", say(said + where), kind="dim")
    marks = (
        element("li", span(f"mark-{kind}", ""), say(f"{axis.said(time)} {_WORDS[kind]}"))
        for time, kind in axis.moments
    )
    if axis.moments:
        yield element("ul", *marks, kind="moments")


def _absent(curves: Curves) -> Iterator[Markup]:
    """Name what has no plot, and why."""
    still = (
        curve for curve in curves.series if curve.most and not curve.most.value and curve.least == curve.most
    )
    gone = (curve for curve in curves.series if curve.most is None)
    for why, series in (("Zero all the time", still), ("Not counted by this kernel, or not read", gone)):
        names = ", ".join(f"{curve.label} ({curve.name})" for curve in series)
        if names:
            yield element("p", say(f"{why}: {names}."), kind="dim")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _svg(series: Series, axis: _Axis, anchor: str, said: str) -> Markup:
    """
    Draw a series between its least and its most, zero included; `said` describes it in words.

    It may be stretched to any width, and lines keep their thickness: what there is to read stands around it.
    """
    low = min(series.least.value if series.least else 0.0, 0.0)
    high = max(series.most.value if series.most else 0.0, 0.0)
    high = high if high > low else low + 1
    names = f"{anchor}-title {anchor}-said"
    curve = " ".join(_path(run, axis, low, high) for run in series.runs)
    inner = (
        element("title", say(f"{series.label} {series.name}".strip()), anchor=f"{anchor}-title"),
        element("desc", say(said), anchor=f"{anchor}-said"),
        joined(_vertical(axis, tick, "tick") for tick in axis.ticks()),
        Markup(f'<path class="curve" d="{curve}"/>' if curve else ""),
        joined(_vertical(axis, time, kind) for time, kind in axis.moments),
    )
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none"'
    return Markup(f'<svg role="img" aria-labelledby="{say(names)}" {box}>{joined(inner)}</svg>')


def _vertical(axis: _Axis, epoch_seconds: float, kind: str) -> Markup:
    share = axis.share(epoch_seconds)
    if not 0 <= share <= 1:
        return Markup("")
    return Markup(f'<path class="{say(kind)}" d="M{share * WIDTH:.1f} 0V{HEIGHT}"/>')


def _path(run: Sequence[Point], axis: _Axis, low: float, high: float) -> str:
    places = [
        f"{axis.share(point.epoch_seconds) * WIDTH:.1f} {(high - point.value) / (high - low) * HEIGHT:.1f}"
        for point in run
    ]
    # A lone point is a line to itself, which round ends make a dot.
    return "M" + "L".join(places if len(places) > 1 else places * 2)
