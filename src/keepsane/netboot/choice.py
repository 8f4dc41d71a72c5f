# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a machine that asks gets: the build it was offered, once, else a place to wait.

    offered, not taken                      that build; the same again until every byte was taken
    taken, bytes lost on the way            the same again, three times in all
    taken; crashed, refused or neither      it waits for the next
    make runs                               it waits for that build, not for an older one
    make failed or was killed               it waits; by the policy `last-good` its good kernel, once
    came back before its console showed
    the mark, by the policy `last-good`     its good kernel, once

A choice of the menu is for one boot and changes none of it. Nothing here changes anything.
"""

from __future__ import annotations

from typing import NamedTuple

from keepsane.machine.machine import Machine
from keepsane.netboot.boot import Boot
from keepsane.netboot.history import History, Making


class Wait(NamedTuple):
    """Nothing to boot yet; `making` is the run of make it waits for, None where there is none."""

    making: Making | None

    @property
    def state(self) -> tuple[int, str, bool] | None:
        """Give what a machine that is held is woken for: not each line that make writes."""
        return (
            None if self.making is None else (self.making.number, self.making.state, self.making.was_killed)
        )


class Take(NamedTuple):
    """
    A build to boot; `offer` is None for one that nobody offered.

    `cause` says what a good kernel is booted for, "" for a choice of the menu.
    """

    build: str
    offer: int | None
    cause: str = ""


def choose(history: History, machine: Machine) -> Wait | Take:
    """Choose for a machine that asks. Changes nothing."""
    offer = history.last_offer(machine.name)
    making = history.last_making(machine.name)
    is_newest = offer is not None and (making is None or offer.offered_seconds >= making.began_seconds)
    if offer is not None and is_newest and not history.was_booted(offer.number):
        return Take(offer.build, offer.number)
    last = history.last_of_offer(offer.number) if offer is not None and is_newest else None
    cause = _cause(machine, making, last)
    good = history.good(machine.name)
    if cause and good and good != (last and last.build) and not history.was_booted_for(machine.name, cause):
        return Take(good, None, cause)
    return Wait(making)


def _cause(machine: Machine, making: Making | None, last: Boot | None) -> str:
    """Say for what a machine boots its good kernel, "" for nothing."""
    if machine.policy != "last-good":
        return ""
    if last is not None:
        return f"boot {last.nonce}" if _missed_mark(machine, last) else ""
    if making is not None and (making.state == "failed" or making.was_killed):
        return f"making {making.number}"
    return ""


def _missed_mark(machine: Machine, boot: Boot) -> bool:
    """Say whether a kernel that has ended did not get as far as it should; without a log nobody knows."""
    if boot.outcome == "refused":
        return True
    is_watched = machine.mark is not None and boot.log != ""
    return is_watched and boot.outcome == "back" and boot.marked_seconds is None
