# SPDX-License-Identifier: GPL-2.0-or-later
"""
Reports of failed allocations, damaged: cut, thinned, shuffled, quoted, folded, mixed.

What a damaged report may say: nothing, "incomplete", or what the whole one says. A verdict that the whole one
does not give is a wrong cause stated with confidence.
"""

from __future__ import annotations

import random
import textwrap
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from keepsane.kernel.events.alloc_failure.failure import AllocFailure
from keepsane.kernel.events.oom_kill.kill import OomKill
from keepsane.kernel.log.scan import Scanner

SEED = 4
EACH = 40
"""So many damaged copies of one report by each way that needs chance."""
NOTHING_SAID = frozenset({"incomplete"})


class Said(NamedTuple):
    """What is claimed of one request, and the zone and numbers that the claim rests on."""

    verdict: str
    zone: str | None
    needed: int | None
    left: int | None


class Judged(NamedTuple):
    """What a log's reports claim; those without a verdict are left out."""

    said: frozenset[Said]

    def contradicts(self, whole: Judged) -> list[str]:
        """Name the claims that the whole log does not make."""
        return [
            f"{one.verdict} by {one.zone} {one.needed}/{one.left}"
            for one in sorted(self.said - whole.said, key=str)
        ]


def judge(lines: Iterable[str]) -> Judged:
    """Give the claims about every failed request in a log."""
    events = [event for event in Scanner().events(lines) if isinstance(event, AllocFailure | OomKill)]
    return Judged(
        frozenset(
            Said(
                event.ledger.verdict,
                event.ledger.zone.zone.name if event.ledger.zone else None,
                event.ledger.needed_pages,
                event.ledger.usable_pages,
            )
            for event in events
            if event.ledger is not None and event.ledger.verdict not in NOTHING_SAID
        )
    )


def cuts(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Damage a log in every way; yield what was done and the lines that remain."""
    yield from ((f"ends after line {end}", lines[:end]) for end in range(len(lines)))
    yield from ((f"begins after line {start}", lines[start:]) for start in range(1, len(lines)))
    chance = random.Random(SEED)
    text = "\n".join(lines)
    for _ in range(EACH):
        end = chance.randrange(len(text) + 1)
        yield f"ends after character {end}", text[:end].split("\n")
        gone = set(chance.sample(range(len(lines)), min(len(lines), chance.randrange(1, 6))))
        yield f"lines {sorted(gone)} dropped", [line for at, line in enumerate(lines) if at not in gone]
        yield from _swapped(lines, chance)
        yield from _shortened(lines, chance)
    yield "quoted", [f"> {line}" for line in lines]
    yield "folded at 76 columns", [part for line in lines for part in _folded(line)]
    yield "with callers", [line.replace("] ", "][  T123] ", 1) for line in lines]
    yield "twice, line by line", [line for line in lines for _ in range(2)]


def _swapped(lines: list[str], chance: random.Random) -> Iterator[tuple[str, list[str]]]:
    if len(lines) > 1:
        at = chance.randrange(len(lines) - 1)
        yield f"lines {at} and {at + 1} swapped", [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]


def _shortened(lines: list[str], chance: random.Random) -> Iterator[tuple[str, list[str]]]:
    at = chance.randrange(len(lines))
    end = chance.randrange(len(lines[at]) + 1)
    yield f"line {at} ends after character {end}", [*lines[:at], lines[at][:end], *lines[at + 1 :]]


def _folded(line: str) -> list[str]:
    return textwrap.wrap(line, 76, break_long_words=False, break_on_hyphens=False) or [line]
