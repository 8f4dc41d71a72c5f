# SPDX-License-Identifier: GPL-2.0-or-later
"""Every real log cut at every 50th byte: no exception, and nothing lost from the reports before the cut."""

from __future__ import annotations

import pytest

from keepsane.kernel.log.scan import Scanner
from keepsane.model import Event
from tests.live.crashme import KINDS
from tests.live.guests import Guest

pytestmark = pytest.mark.live

STEP_BYTES = 50


def events(log: bytes) -> list[Event]:
    lines = (line.decode("utf-8", "replace").rstrip("\r") for line in log.split(b"\n"))
    return list(Scanner().events(lines))


@pytest.mark.parametrize("scenario", KINDS)
def test_cut_anywhere(scenario: str, guest: Guest) -> None:
    log = guest.log(scenario).read_bytes()
    whole = events(log)

    for end in range(0, len(log), STEP_BYTES):
        before_cut = log.count(b"\n", 0, end)
        complete = [event for event in whole if event.last_line < before_cut]
        found = events(log[:end])
        assert [event.title for event in found[: len(complete)]] == [event.title for event in complete], end
