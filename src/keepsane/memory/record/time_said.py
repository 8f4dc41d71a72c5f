# SPDX-License-Identifier: GPL-2.0-or-later
"""
A moment as a person writes it, on the axis of a record.

    2026-11-25T03:14:07+01:00    ISO 8601; without an offset it is the local time
    03:14  03:14:07.5            the last time it was so late before the record's end
    1795648693.11                seconds since 1970; with 13 digits, milliseconds
    -2h  -1h30m  -90s            before the record's end
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, tzinfo

from keepsane.errors import InputError

MAX_TEXT = 64

_EPOCH = re.compile(r"\d{9,11}(?:\.\d{1,9})?", re.ASCII)
_MILLISECONDS = re.compile(r"\d{12,14}", re.ASCII)
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,6})\d{0,3})?)?", re.ASCII)
_DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,6})\d{0,3})?[ ]?(Z|[+-]\d\d:?\d\d)?", re.ASCII
)
_BEFORE = re.compile(r"-(?=\d)(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?", re.ASCII)


def parse_moment(text: str, *, ended: float, zone: tzinfo | None = None) -> float:
    """
    Read a moment as seconds since 1970; `ended` is when the record ends, `zone` the local time zone.

    Raises InputError where the text is none of the forms above, or there is no such time.
    """
    said = text.strip()[: MAX_TEXT + 1]
    for read in (_epoch, _before, _clock, _date):
        try:
            found = read(said, ended, zone)
        except (ValueError, OverflowError, OSError) as error:
            raise InputError(f"there is no time {said!r}: {error}") from error
        if found is not None:
            return found
    raise InputError(
        f"{said!r} is no time; write 03:14, 03:14:07, 2026-11-25T03:14:07, -2h or seconds since 1970"
    )


def _epoch(text: str, ended: float, zone: tzinfo | None) -> float | None:
    if _MILLISECONDS.fullmatch(text):
        return int(text) / 1000
    return float(text) if _EPOCH.fullmatch(text) else None


def _before(text: str, ended: float, zone: tzinfo | None) -> float | None:
    found = _BEFORE.fullmatch(text)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ended - timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()


def _clock(text: str, ended: float, zone: tzinfo | None) -> float | None:
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    hours, minutes, seconds, fraction = found.groups()
    clock = time(int(hours), int(minutes), int(seconds or 0), int((fraction or "0").ljust(6, "0")))
    last = datetime.fromtimestamp(ended, UTC).astimezone(zone).date()
    moments = (datetime.combine(last - timedelta(days=days), clock, tzinfo=zone) for days in (0, 1))
    today, yesterday = (moment.timestamp() for moment in moments)
    return today if today <= ended else yesterday


def _date(text: str, ended: float, zone: tzinfo | None) -> float | None:
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    day, clock, fraction, offset = found.groups()
    moment = datetime.fromisoformat(f"{day}T{clock}{offset or ''}")
    moment = moment.replace(microsecond=int((fraction or "0").ljust(6, "0")))
    return (moment if moment.tzinfo or zone is None else moment.replace(tzinfo=zone)).timestamp()
