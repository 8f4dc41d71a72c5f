# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a machine that asks gets: the build it was offered, once, else a place to wait.

A machine that comes back, crashed or not, waits for the next build. Where its policy is `last-good`, a build
that fails sends it to its good one instead.
"""

from __future__ import annotations

from typing import NamedTuple

from keepsane.machine.settings import Policy
from keepsane.netboot.history import History, Making


class Wait(NamedTuple):
    """Nothing to boot yet; `making` is the run of make it waits for, None where there is none."""

    making: Making | None

    @property
    def state(self) -> tuple[int, str] | None:
        """Give what a machine that is held is woken for: not each line that make writes."""
        return None if self.making is None else (self.making.number, self.making.state)


class Take(NamedTuple):
    """A build to boot; `offer` is None for one that nobody offered: a good one, or one from the menu."""

    build: str
    offer: int | None


def choose(history: History, machine: str, policy: Policy) -> Wait | Take:
    """Choose for a machine that asks. Changes nothing."""
    offer = history.last_offer(machine)
    making = history.last_making(machine)
    is_newest = offer is not None and (making is None or offer.offered_seconds >= making.began_seconds)
    if offer is not None and is_newest and not history.was_booted(offer.number):
        return Take(offer.build, offer.number)
    if making is not None and making.state == "failed" and policy == "last-good":
        good = history.good(machine)
        if good is not None:
            return Take(good, None)
    return Wait(making)
