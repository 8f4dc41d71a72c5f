# SPDX-License-Identifier: GPL-2.0-or-later
"""Who asks as which network card: two addresses at once are two machines, or one and somebody else."""

from __future__ import annotations

import time
from collections.abc import Callable

from keepsane.services.room import make_room

RECENT_SECONDS = 10.0
"""A waiting machine asks every four seconds; one that starts anew may have another address after longer."""
_MAX_CARDS = 1024
_MAX_ADDRESSES = 4


class Askers:
    """The addresses that asked lately, by network card."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the clock, in seconds."""
        self._clock = clock
        self._asked: dict[str, dict[str, float]] = {}
        self._began: dict[tuple[str, str], float] = {}

    def starts(self, machine: str, address: str) -> None:
        """Note that a machine asks the first time since it was switched on."""
        self._began.pop((machine, address), None)
        make_room(self._began, _MAX_CARDS)
        self._began[machine, address] = time.time()

    def since_seconds(self, machine: str, address: str) -> float:
        """Give since when a machine asks, in seconds since 1970; now, where nobody saw it start."""
        return self._began.get((machine, address), time.time())

    def others(self, mac: str, address: str) -> list[str]:
        """Note that an address asks as a card, and give the others that did lately."""
        now = self._clock()
        known = {
            other: when for other, when in self._asked.pop(mac, {}).items() if now - when < RECENT_SECONDS
        }
        make_room(self._asked, _MAX_CARDS)
        others = [other for other in known if other != address][:_MAX_ADDRESSES]
        self._asked[mac] = {**{other: known[other] for other in others}, address: now}
        return others
