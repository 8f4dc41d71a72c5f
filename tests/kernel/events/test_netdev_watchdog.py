# SPDX-License-Identifier: GPL-2.0-or-later
"""Network cards that stopped sending."""

from __future__ import annotations

import pytest

from keepsane.kernel.events.netdev_watchdog import NetdevWatchdog
from tests.golden import first_of


@pytest.mark.parametrize(("slug", "queue", "timed_out_ms"), [("6.1", 0, None), ("one-line-6.12", 1, 5016)])
def test_which_card(slug: str, queue: int, timed_out_ms: int | None) -> None:
    event = first_of(f"netdev-watchdog/{slug}")

    assert isinstance(event, NetdevWatchdog)
    assert (event.device, event.driver, event.queue) == ("eth0", "e1000e", queue)
    assert event.timed_out_ms == timed_out_ms
