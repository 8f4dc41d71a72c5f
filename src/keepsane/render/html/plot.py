# SPDX-License-Identifier: GPL-2.0-or-later
"""
The series of a record as plots, one below the other over the same time, without scripts.

What the user measured is laid over the same time as a plot of its own. That two plots rise at once is left to
the reader: no cause is guessed from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Literal, NamedTuple

from keepsane.memory.record.latency import Latency
from keepsane.memory.record.series import GAP_STEPS, Curves, Point, Series, series_of, usual_step_seconds
from keepsane.render.html.element import Markup, details, element, joined, rows, say, span

MAX_TICKS = 6
_STEPS_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_WORDS = {"asked": "the time asked for", "restart": "the machine came up"}
WIDTH, HEIGHT = 1000, 100


class Moment(NamedTuple):
    """A time to be marked, and what it is: one that was asked for, or a restart of the machine."""

    epoch_seconds: float
    kind: Literal["asked", "restart"]


class Axis(NamedTuple):
    """The time that every plot of a page reaches over, and the times that have a line and a label."""

    began_seconds: float
    ended_seconds: float
    ticks: tuple[float, ...]

    def share(self, epoch_seconds: float) -> float:
        """Where a time lies, from 0 to 1."""
        return (epoch_seconds - self.began_seconds) / max(self.ended_seconds - self.began_seconds, 1e-9)


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
    axis = _axis(curves, zone)
    moments = (
        *(Moment(time, "asked") for time in asked),
        *(Moment(time, "restart") for time in curves.restarts),
    )
    shown = [
        one for one in curves.series if one.most is not None and (one.most.value or one.least != one.most)
    ]
    plots = [_plot(series, axis, moments, number, zone) for number, series in enumerate(shown, 1)]
    own = () if latency is None else _own(latency, curves, axis, moments, zone)
    return element("section", _legend(curves, moments, zone), *own, *plots, *_absent(curves), kind="plots")


def _axis(curves: Curves, zone: tzinfo | None) -> Axis:
    began, ended = curves.began_seconds, curves.ended_seconds
    fitting = (step for step in _STEPS_SECONDS if (ended - began) / step <= MAX_TICKS)
    step = next(fitting, 86400 * (1 + int((ended - began) / 86400 / MAX_TICKS)))
    offset = datetime.fromtimestamp(began, UTC).astimezone(zone).utcoffset()
    shift = offset.total_seconds() if offset else 0.0
    first = int(-(-(began + shift) // step))
    times = (number * step - shift for number in range(first, first + MAX_TICKS + 1))
    return Axis(began, ended, tuple(time for time in times if began <= time <= ended))


def _own(
    latency: Latency, curves: Curves, axis: Axis, moments: Sequence[Moment], zone: tzinfo | None
) -> Iterator[Markup]:
    began, ended = curves.began_seconds, curves.ended_seconds
    epochs = [point.epoch_seconds for point in latency.points]
    values = [point.value for point in latency.points]
    gap = GAP_STEPS * usual_step_seconds(epochs)
    label = f"{latency.label}, as you measured it"
    series = series_of(epochs, values, began, ended, gap, name="", label=label, unit="")
    if latency.points:
        yield _plot(series, axis, moments, 0, zone)
    said = []
    if latency.outside:
        said.append(f"measurements from before or after the record: {latency.outside}")
    if latency.bad_lines:
        first = f"the first is line {latency.first_bad_line}"
        said.append(f"lines without a time and value: {latency.bad_lines}, {first}")
    if said:
        yield element("p", say(f"Left out are {'; '.join(said)}."), kind="doubt")


def _plot(series: Series, axis: Axis, moments: Sequence[Moment], number: int, zone: tzinfo | None) -> Markup:
    name = span("name", series.label), span("dim", series.name)
    top = span("most", _range(series))
    said = "; ".join(f"{name} {text}" for name, text in _figures(series, zone))
    drawn = _svg(
        series,
        axis,
        moments,
        anchor=f"plot-{number}",
        title=f"{series.label} {series.name}".strip(),
        said=said,
    )
    numbers = details(say("numbers"), rows(_figures(series, zone)), kind="part")
    kind = "plot own" if number == 0 else "plot"
    return element(
        "figure", element("figcaption", *name, top), drawn, _labels(axis, zone), numbers, kind=kind
    )


def _range(series: Series) -> str:
    if series.least is None or series.most is None:
        return ""
    least = f"{_number(series.least.value)} to " if series.least.value > 0 else "at most "
    return f"{least}{_number(series.most.value)} {series.unit}".rstrip()


def _figures(series: Series, zone: tzinfo | None) -> Iterator[tuple[str, str]]:
    if series.least is not None:
        yield (
            "least",
            f"{_number(series.least.value)} {series.unit} at {_clock(series.least.epoch_seconds, zone)}",
        )
    if series.middle is not None:
        yield "median", f"{_number(series.middle)} {series.unit}"
    if series.most is not None:
        yield (
            "most",
            f"{_number(series.most.value)} {series.unit} at {_clock(series.most.epoch_seconds, zone)}",
        )


def _labels(axis: Axis, zone: tzinfo | None) -> Markup:
    """Give the times below a plot; a screen reader has them in the plot's own words."""
    precise = axis.ended_seconds - axis.began_seconds < 300
    labels = (
        f'<span style="left:{axis.share(tick) * 100:.2f}%">{say(_tick(tick, zone, precise))}</span>'
        for tick in axis.ticks
    )
    return Markup(f'<div class="ticks" aria-hidden="true">{"".join(labels)}</div>')


def _legend(curves: Curves, moments: Sequence[Moment], zone: tzinfo | None) -> Markup:
    zone_name = datetime.fromtimestamp(curves.ended_seconds, UTC).astimezone(zone).strftime("UTC%z")
    said = f"{curves.samples:,} samples; times are {zone_name}. The top of each plot is its most, "
    where = "the bottom is 0. A line is broken where samples are missing."
    marks = joined(
        element(
            "li",
            span(f"mark-{moment.kind}", ""),
            say(f"{_clock(moment.epoch_seconds, zone)} {_WORDS[moment.kind]}"),
        )
        for moment in moments
    )
    return joined(
        (
            element("p", say(said + where), kind="dim"),
            element("ul", marks, kind="moments") if marks else marks,
        )
    )


def _absent(curves: Curves) -> Iterator[Markup]:
    """Name what has no plot, and why."""
    still = [
        f"{one.label} ({one.name})"
        for one in curves.series
        if one.most and not one.most.value and one.least == one.most
    ]
    gone = [f"{one.label} ({one.name})" for one in curves.series if one.most is None]
    if still:
        yield element("p", say(f"Zero all the time: {', '.join(still)}."), kind="dim")
    if gone:
        yield element("p", say(f"Not counted by this kernel, or not read: {', '.join(gone)}."), kind="dim")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _clock(epoch_seconds: float, zone: tzinfo | None) -> str:
    return _told(epoch_seconds, zone, "%Y-%m-%d %H:%M:%S")


def _tick(epoch_seconds: float, zone: tzinfo | None, precise: bool) -> str:
    if precise:
        return _told(epoch_seconds, zone, "%H:%M:%S")
    clock = _told(epoch_seconds, zone, "%H:%M")
    return _told(epoch_seconds, zone, "%d %b") if clock == "00:00" else clock


def _told(epoch_seconds: float, zone: tzinfo | None, form: str) -> str:
    return datetime.fromtimestamp(epoch_seconds, UTC).astimezone(zone).strftime(form)


def _svg(
    series: Series, axis: Axis, moments: Sequence[Moment], *, anchor: str, title: str, said: str
) -> Markup:
    """Draw a series between its least and its most, zero included; `said` describes it in words."""
    low = min(series.least.value if series.least else 0.0, 0.0)
    high = max(series.most.value if series.most else 0.0, 0.0)
    high = high if high > low else low + 1
    names = f"{anchor}-title {anchor}-said"
    inner = (
        element("title", say(title), anchor=f"{anchor}-title"),
        element("desc", say(said), anchor=f"{anchor}-said"),
        joined(_vertical(axis, tick, "tick") for tick in axis.ticks),
        joined(_paths(series.runs, axis, low, high)),
        joined(_vertical(axis, moment.epoch_seconds, moment.kind) for moment in moments),
    )
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none"'
    return Markup(f'<svg role="img" aria-labelledby="{say(names)}" {box}>{joined(inner)}</svg>')


def _vertical(axis: Axis, epoch_seconds: float, kind: str) -> Markup:
    share = axis.share(epoch_seconds)
    if not 0 <= share <= 1:
        return Markup("")
    return Markup(f'<path class="{say(kind)}" d="M{share * WIDTH:.1f} 0V{HEIGHT}"/>')


def _paths(runs: Iterable[Sequence[Point]], axis: Axis, low: float, high: float) -> Iterator[Markup]:
    drawn = " ".join(_path(run, axis, low, high) for run in runs)
    if drawn:
        yield Markup(f'<path class="curve" d="{drawn}"/>')


def _path(run: Sequence[Point], axis: Axis, low: float, high: float) -> str:
    places = [
        f"{axis.share(point.epoch_seconds) * WIDTH:.1f} {(high - point.value) / (high - low) * HEIGHT:.1f}"
        for point in run
    ]
    # A lone point is a line to itself, which round ends make a dot.
    return "M" + "L".join(places if len(places) > 1 else places * 2)
