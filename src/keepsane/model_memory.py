# SPDX-License-Identifier: GPL-2.0-or-later
"""What a report on a machine's memory holds beside its findings; the rest is in keepsane.model."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Fact(NamedTuple):
    """Something about a machine, named and in words: `free memory`, `node 0: 12 MB, node 1: 481 MB`."""

    name: str
    said: str


class CounterChange(NamedTuple):
    """How fast a counter rose before a change and after it, per second; None where that is not known."""

    name: str
    before_per_second: float | None
    after_per_second: float | None


class Verified(NamedTuple):
    """
    What became of a finding after a change.

    `outcome` is gone, still there, or cannot tell; `counters` are those that the finding rested on.
    """

    rule: str
    outcome: Literal["gone", "still there", "cannot tell"]
    why: str
    counters: tuple[CounterChange, ...]


VERDICT = "verdict"
"""What could not be done where samples are not whole: no finding does not mean that all is well."""


class RuledOut(NamedTuple):
    """A rule that looked and did not fire, with the numbers that say why."""

    rule: str
    why: str
