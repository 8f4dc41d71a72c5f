# SPDX-License-Identifier: GPL-2.0-or-later
"""
A series as one SVG picture without text: it may be stretched to any width, and lines keep their thickness.

What there is to read stands around it in HTML, which a phone does not shrink.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from keepsane.memory.record.series import Point, Series
from keepsane.render.html.element import Markup, element, joined, say

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


def svg_line(
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
