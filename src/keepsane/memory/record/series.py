# SPDX-License-Identifier: GPL-2.0-or-later
"""
The few numbers that carry a verdict about memory, over the whole time of a record.

A day has 86,400 samples and a page some hundred pixels, so of each short stretch of time the least and the
most are kept: a spike of one second stays as high as it was.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import compress, pairwise
from operator import sub, truediv
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import NamedTuple

from keepsane.errors import InputError
from keepsane.memory.proc.counters import Counters
from keepsane.memory.proc.machine import BOOT_ID, machine_of, parse_uptime
from keepsane.memory.proc.numa import NODES
from keepsane.memory.proc.vmstat import spellings
from keepsane.memory.record.chunk import Chunk, Track
from keepsane.memory.record.columns import HOLE
from keepsane.memory.record.record import parse_epoch
from keepsane.memory.record.replay import read_chunks
from keepsane.memory.snapshot import TIME

BUCKETS = 700
"""Stretches of time of which the least and the most are kept."""
SHORTEST_SECONDS = 0.5
"""A rate over less is left out: counters of each CPU are added up once a second only."""
GAP_STEPS = 3.5
"""The number of usual steps without a sample after which nothing is known about the time between."""
MAX_NODES = 16
MAX_RESTARTS = 100
MAX_SAMPLES = 3_000_000
"""More than a month."""

_NODE = re.compile(rf"{NODES}/node(\d{{1,5}})/vmstat", re.ASCII)
_PRESSURE = "proc/pressure/memory"


class Point(NamedTuple):
    """A value at a time, in seconds since 1970."""

    epoch_seconds: float
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """
    One number over time; `runs` are its points, parted where samples are missing.

    `least`, `most` and `middle`, the median, are of all samples, not only of the points kept; None where this
    kernel does not have the number or it was not read.
    """

    name: str
    label: str
    unit: str
    runs: tuple[tuple[Point, ...], ...]
    least: Point | None
    middle: float | None
    most: Point | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """All series of a record on one time axis; `restarts` are the times at which the machine came up."""

    began_seconds: float
    ended_seconds: float
    samples: int
    series: tuple[Series, ...]
    restarts: tuple[float, ...]


class _Wanted(NamedTuple):
    """A number to follow: the first word of its line in `path`; a counter is followed as a rate."""

    name: str
    label: str
    unit: str
    path: str = "proc/vmstat"
    is_counter: bool = True
    factor: float = 1.0


_WANTED = (
    _Wanted("pgscan_direct", "scanned by the tasks themselves", "pages/s"),
    _Wanted("allocstall", "allocation stalls", "per s"),
    _Wanted("pgscan_kswapd", "scanned by kswapd", "pages/s"),
    _Wanted("zone_reclaim_failed", "zone reclaim in vain", "per s"),
    _Wanted("zone_reclaim_success", "zone reclaim with success", "per s"),
    _Wanted("compact_stall", "stalls for compaction", "per s"),
    _Wanted("pswpin", "swapped in", "pages/s"),
    _Wanted("pswpout", "swapped out", "pages/s"),
    _Wanted("pgmajfault", "faults that read from a disk", "per s"),
    _Wanted("some", "some task waited for memory", "% of the time", _PRESSURE, factor=1e-4),
    _Wanted("full", "all tasks waited for memory", "% of the time", _PRESSURE, factor=1e-4),
    _Wanted("MemAvailable", "available", "MB", "proc/meminfo", is_counter=False, factor=1 / 1024),
)


def read_curves(path: Path) -> Curves | None:
    """
    Read the series of a record; None where nothing was recorded.

    Raises InputError where the record cannot be read or is damaged.
    """
    return curves_of(read_chunks(path))


def curves_of(chunks: Iterable[Chunk]) -> Curves | None:
    """Follow the numbers through the chunks."""
    followed = _Followed()
    for chunk in chunks:
        _follow(followed, chunk)
        if len(followed.epochs) > MAX_SAMPLES:
            raise InputError(f"more than {MAX_SAMPLES:,} samples are not drawn at once; name a shorter time")
    epochs = [epoch for epoch in followed.epochs if epoch is not None]
    if not epochs:
        return None
    began, ended = min(epochs), max(epochs)
    return Curves(
        began_seconds=began,
        ended_seconds=ended,
        samples=len(epochs),
        series=tuple(_series(followed, wanted, began, ended) for wanted in followed.numbers),
        restarts=tuple(time for time in followed.restarts if began <= time <= ended),
    )


@dataclass(slots=True)
class _Followed:
    """What was gathered from the chunks so far; a number is None where its file or its line was not there."""

    numbers: dict[_Wanted, list[int | None]] = field(
        default_factory=lambda: {number: [] for number in _WANTED}
    )
    epochs: list[float | None] = field(default_factory=list)
    uptimes: list[float | None] = field(default_factory=list)
    restarts: list[float] = field(default_factory=list)
    page_kibibytes: int | None = None
    boot: str | None = None


def _follow(followed: _Followed, chunk: Chunk) -> None:
    before = len(followed.epochs)
    epochs = [parse_epoch(text) for text in chunk.texts(TIME)]
    uptimes = [parse_uptime(text or "") for text in chunk.texts("proc/uptime")]
    _find_restarts(followed, epochs, uptimes, chunk.texts(BOOT_ID))
    followed.epochs += epochs
    followed.uptimes += uptimes
    if followed.page_kibibytes is None and len(chunk):
        followed.page_kibibytes = machine_of(chunk.snapshots((0,))[0]).page_kibibytes
    for wanted in (*_WANTED, *_free(chunk)):
        numbers = followed.numbers.setdefault(wanted, [])
        if (track := chunk.tracks.get(wanted.path)) is not None:
            numbers += [None] * (before - len(numbers))
            numbers += numbers_in(track, wanted.name)


def _find_restarts(
    followed: _Followed,
    epochs: Sequence[float | None],
    uptimes: Sequence[float | None],
    boots: Sequence[str | None],
) -> None:
    before = followed.uptimes[-1] if followed.uptimes else None
    for epoch, uptime, boot in zip(epochs, uptimes, boots, strict=True):
        backwards = uptime is not None and before is not None and uptime < before
        other = boot is not None and followed.boot is not None and boot != followed.boot
        if (backwards or other) and epoch is not None and len(followed.restarts) < MAX_RESTARTS:
            followed.restarts.append(epoch - (uptime or 0.0))
        followed.boot = boot or (None if backwards else followed.boot)
        before = before if uptime is None else uptime


def _free(chunk: Chunk) -> list[_Wanted]:
    found = (found for path in sorted(chunk.tracks) if (found := _NODE.fullmatch(path)))
    nodes = sorted((int(path[1]), path[0]) for path in found)[:MAX_NODES]
    return [
        _Wanted("nr_free_pages", f"free on node {node}", "pages", path, is_counter=False)
        for node, path in nodes
    ]


def numbers_in(track: Track, name: str) -> list[int | None]:
    """The number in each sample; a counter that this kernel splits by zone is added up."""
    return track.spread(shape.sums(_columns(shape.skeleton, name)) for shape in track.shapes)


@lru_cache(maxsize=1024)
def _columns(skeleton: str, name: str) -> tuple[int, ...]:
    numbered = _numbered(skeleton)
    return tuple(numbered.numbers[spelt] for spelt in spellings(numbered, name))


@lru_cache(maxsize=64)
def _numbered(skeleton: str) -> Counters:
    """For each line's first word the number of the line's last hole: "total=" of a line of PSI."""
    found: dict[str, int] = {}
    holes = 0
    for line in skeleton.split("\n")[:-1]:  # a line without its end may have been cut
        holes += line.count(HOLE)
        words = line.split(maxsplit=1)
        if words and HOLE in line:
            found.setdefault(words[0].rstrip(":"), holes - 1)
    return Counters(MappingProxyType(found))


def _series(followed: _Followed, wanted: _Wanted, began: float, ended: float) -> Series:
    unit, factor = wanted.unit, wanted.factor
    if unit == "pages" and followed.page_kibibytes is not None:
        unit, factor = "MB", followed.page_kibibytes / 1024
    epochs, uptimes, numbers = _read(followed, wanted)
    gap = GAP_STEPS * usual_step_seconds(uptimes)
    if wanted.is_counter:
        epochs, values = _rates(epochs, uptimes, numbers, gap)
    else:
        values = [float(number) for number in numbers]
    if factor != 1.0:
        values = [value * factor for value in values]
    return series_of(epochs, values, began, ended, gap, name=wanted.name, label=wanted.label, unit=unit)


def series_of(
    epochs: Sequence[float],
    values: Sequence[float],
    began: float,
    ended: float,
    gap: float,
    *,
    name: str,
    label: str,
    unit: str,
) -> Series:
    """
    Make a series of values at times, for an axis from `began` to `ended`.

    It is parted where time goes backwards, and where over `gap` seconds have no value, unless that is too
    short to be seen.
    """
    width = max((ended - began) / BUCKETS, 1e-6)
    return Series(
        name=name,
        label=label,
        unit=unit,
        runs=tuple(tuple(run) for run in _runs(epochs, values, began, width, max(gap, width))),
        least=_extreme(epochs, values, min),
        middle=median(values) if values else None,
        most=_extreme(epochs, values, max),
    )


def usual_step_seconds(times: Sequence[float]) -> float:
    """The usual step from one time to the next, one second at least; not every step is looked at."""
    every = max(len(times) // 2000, 1)
    steps = [times[at + 1] - times[at] for at in range(0, len(times) - 1, every)]
    return max(median(steps), 1.0) if steps else 1.0


def _read(followed: _Followed, wanted: _Wanted) -> tuple[list[float], list[float], list[int]]:
    """Both clocks and the number, of the samples that have all three."""
    columns = (followed.epochs, followed.uptimes, followed.numbers[wanted])
    if not any(None in column for column in columns) and len(columns[2]) == len(columns[0]):
        return columns  # type: ignore[return-value]  # None was looked for
    rows = [row for row in zip(*columns, strict=False) if None not in row]
    epochs, uptimes, numbers = zip(*rows, strict=True) if rows else ((), (), ())
    return list(epochs), list(uptimes), list(numbers)


def _rates(
    epochs: list[float], uptimes: list[float], numbers: list[int], gap: float
) -> tuple[list[float], list[float]]:
    """The rate per second up to each time; none over a gap, nor where the counter went backwards."""
    seconds = list(map(sub, uptimes[1:], uptimes))
    steps = list(map(sub, numbers[1:], numbers))
    valid = [SHORTEST_SECONDS <= time <= gap and step >= 0 for time, step in zip(seconds, steps, strict=True)]
    rates = map(truediv, compress(steps, valid), compress(seconds, valid))
    return list(compress(epochs[1:], valid)), list(rates)


def _runs(
    epochs: Sequence[float], values: Sequence[float], began: float, width: float, gap: float
) -> Iterator[list[Point]]:
    steps = enumerate(map(sub, epochs[1:], epochs), 1)
    broken = (at for at, seconds in steps if not 0 <= seconds <= gap)
    for first, last in pairwise([0, *broken, len(epochs)]):
        if first < last:
            kept = range(first, last) if len(epochs) <= 2 * BUCKETS else ()
            places = kept or _extremes(epochs, values, range(first, last), began, width)
            yield [Point(epochs[at], values[at]) for at in places]


def _extremes(
    epochs: Sequence[float], values: Sequence[float], run: range, began: float, width: float
) -> Iterator[int]:
    """Where in the run the least and the most of each bucket are."""
    first = run.start
    while first < run.stop:
        bucket = int((epochs[first] - began) / width)
        end = max(bisect_left(epochs, began + (bucket + 1) * width, first, run.stop), first + 1)
        part = values[first:end]
        yield from sorted({first + part.index(min(part)), first + part.index(max(part))})
        first = end


def _extreme(
    epochs: Sequence[float], values: Sequence[float], which: Callable[[Sequence[float]], float]
) -> Point | None:
    return Point(epochs[at := values.index(which(values))], values[at]) if values else None
