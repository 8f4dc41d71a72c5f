# SPDX-License-Identifier: GPL-2.0-or-later
"""
A user's own measurements, to be laid over a record: lines of a time and a value.

    time,p99_ms
    03:14:07,12.5
    2026-11-25T03:14:08+01:00,840

Commas, semicolons or tabs part them; further columns are passed over. What a time is: time_said.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from keepsane.errors import InputError
from keepsane.memory.capture.plain_file import open_plain
from keepsane.memory.record.series import Point
from keepsane.memory.record.time_said import parse_moment
from keepsane.words import size_words

MAX_FILE_BYTES = 64 << 20
MAX_LINES = 2_000_000
MAX_LINE = 400
MAX_LABEL = 80
MAX_VALUE, LEAST_VALUE = 1e15, 1e-15
"""What is larger is no measurement, what is smaller is zero in any plot; both break its arithmetic."""

_PARTED = re.compile(r"[,;\t]")
_VALUE = re.compile(r"[+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,3})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """
    Points in the order of time, under the name that the header line gave the value.

    `bad_lines` counts the lines that are no time and value, `first_bad_line` is the number of the first;
    `outside` counts the points before the record's begin or after its end, which are left out.
    """

    label: str
    points: tuple[Point, ...]
    bad_lines: int
    first_bad_line: int | None
    outside: int


def read_latency(path: Path, *, began: float, ended: float, zone: tzinfo | None = None) -> Latency:
    """Read a file of measurements. Raises InputError where it cannot be read or has no time and value."""
    try:
        with open_plain(path) as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if len(data) > MAX_FILE_BYTES:
        raise InputError(
            f"{path} has more than {size_words(MAX_FILE_BYTES >> 10)}; cut it to the time of the record"
        )
    found = parse_latency(data.decode("utf-8-sig", "replace"), began=began, ended=ended, zone=zone)
    if not found.points and not found.outside:
        raise InputError(f"no line of {path} is a time and a value, as 03:14:07,12.5 is")
    return found


def parse_latency(text: str, *, began: float, ended: float, zone: tzinfo | None = None) -> Latency:
    """
    Read lines of a time and a value; a time of day means the last one before the record's end.

    A first line whose value is no number is the header.
    """
    label, points, bad, outside = "your measurements", [], [], 0
    for number, line in enumerate(text.splitlines()[:MAX_LINES], 1):
        when, value = _cells(line)
        point = _point(when, value, ended, zone)
        if point is not None:
            outside += not began <= point.epoch_seconds <= ended
            points.append(point)
        elif number == 1 and value and not _VALUE.fullmatch(value):
            label = value[:MAX_LABEL]
        elif line.strip():
            bad.append(number)
    return Latency(
        label=label,
        points=tuple(sorted(point for point in points if began <= point.epoch_seconds <= ended)),
        bad_lines=len(bad),
        first_bad_line=bad[0] if bad else None,
        outside=outside,
    )


def _cells(line: str) -> tuple[str, str]:
    cells = [cell.strip().strip('"') for cell in _PARTED.split(line[:MAX_LINE], maxsplit=2)]
    return cells[0], cells[1] if len(cells) > 1 else ""


def _point(when: str, value: str, ended: float, zone: tzinfo | None) -> Point | None:
    if not _VALUE.fullmatch(value) or abs(number := float(value)) > MAX_VALUE:
        return None
    try:
        return Point(parse_moment(when, ended=ended, zone=zone), number if abs(number) > LEAST_VALUE else 0.0)
    except InputError:
        return None
