# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.errors import InputError
from keepsane.memory.record.time_said import parse_moment

ZONE = timezone(timedelta(hours=1))
ENDED = 1_764_036_600.0
"""`date -u -d @1764036600` says Tue Nov 25 02:10:00 UTC 2025: in ZONE it is 03:10."""


def told(text: str) -> str:
    moment = datetime.fromtimestamp(parse_moment(text, ended=ENDED, zone=ZONE), UTC).astimezone(ZONE)
    return moment.isoformat(sep=" ", timespec="milliseconds").removesuffix("+01:00")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("03:10", "2025-11-25 03:10:00.000"),
        ("3:09:59", "2025-11-25 03:09:59.000"),
        ("03:09:59.25", "2025-11-25 03:09:59.250"),
        ("03:11", "2025-11-24 03:11:00.000"),  # today it was not 03:11 yet when the record ended
        ("23:59", "2025-11-24 23:59:00.000"),
        ("2025-11-25T02:00", "2025-11-25 02:00:00.000"),
        ("2025-11-25 02:00:01.5", "2025-11-25 02:00:01.500"),
        ("2025-11-25T02:00:00Z", "2025-11-25 03:00:00.000"),
        ("2025-11-25T02:00:00-05:00", "2025-11-25 08:00:00.000"),
        ("2025-11-25T02:00:00+0100", "2025-11-25 02:00:00.000"),
        ("1764036600", "2025-11-25 03:10:00.000"),
        ("1764036600.5", "2025-11-25 03:10:00.500"),
        ("1764036600123", "2025-11-25 03:10:00.123"),
        ("-2h", "2025-11-25 01:10:00.000"),
        ("-1h30m", "2025-11-25 01:40:00.000"),
        ("-90s", "2025-11-25 03:08:30.000"),
        ("-1d", "2025-11-24 03:10:00.000"),
        (" 03:10 ", "2025-11-25 03:10:00.000"),
    ],
)
def test_a_moment_is_read_as_a_person_means_it(text: str, moment: str) -> None:
    assert told(text) == moment


@pytest.mark.parametrize(
    "text",
    ["", "soon", "-", "-2", "2h", "25:00", "03:60", "2025-13-01T00:00", "2025-11-25", "03:10 pm", "1" * 99],
)
def test_what_is_no_time_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(InputError, match=r"^('.*' is no time; write|there is no time)"):
        parse_moment(text, ended=ENDED, zone=ZONE)


@given(st.text() | st.from_regex(r"[0-9T:.,+\-dhms ]{1,30}", fullmatch=True), st.floats(0, 4e9))
def test_any_text_is_a_time_or_refused(text: str, ended: float) -> None:
    try:
        assert isinstance(parse_moment(text, ended=ended, zone=ZONE), float)
    except InputError:
        pass


@given(st.integers(1_000_000_000, 4_000_000_000))
def test_every_second_is_found_again_however_it_is_written(epoch: int) -> None:
    moment = datetime.fromtimestamp(epoch, ZONE)
    for text in (
        str(epoch),
        moment.isoformat(),
        moment.replace(tzinfo=None).isoformat(" "),
        moment.strftime("%H:%M:%S"),
    ):
        assert parse_moment(text, ended=epoch + 60, zone=ZONE) == epoch
