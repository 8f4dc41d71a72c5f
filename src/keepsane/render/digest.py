# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a person has to read of a log's events: equal ones once, what only followed from another by title.

Nothing is lost by it: JSON and a page have every event, and so has a text where all is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from keepsane.kernel.events.history import DIED
from keepsane.model import Event
from keepsane.report import Finding

MOST_WHOLE, MOST_TITLED = 8, 40
"""Events given whole, and by their title; further ones are counted."""
_FRAMES_COMPARED = 12
_PID = re.compile(r"\(pid \d{1,10}\)")
_OF_ORDER = "consequence-of-earlier-report"


@dataclass(slots=True)
class Shown:
    """An event with its findings; `alike` are later ones that it stands for; `titled`: a title is enough."""

    event: Event
    findings: Sequence[Finding]
    titled: bool = False
    alike: list[Event] = field(default_factory=list)


class Digest(NamedTuple):
    """The events to be shown in the order of the log, and how many more are only counted."""

    shown: list[Shown]
    more: int = 0


def digest(events: Iterable[Event], findings: dict[int | None, list[Finding]]) -> Digest:
    """Choose what to show of events, `findings` being those of each by its line."""
    shown = _distinct(events, findings)
    # What crashed goes before what was only reported, however much of that stands before it in the log.
    whole = sorted((one for one in shown if not one.titled), key=lambda one: one.event.kind not in DIED)
    for one in whole[MOST_WHOLE:]:
        one.titled = True
    titled = [one for one in shown if one.titled and one.event.kind != "panic"]
    gone = {id(one) for one in titled[MOST_TITLED:]}
    return Digest([one for one in shown if id(one) not in gone], len(gone))


def _distinct(events: Iterable[Event], findings: dict[int | None, list[Finding]]) -> list[Shown]:
    shown: list[Shown] = []
    known: dict[object, list[Shown]] = {}
    lines = set[int]()
    for event in events:
        found, key = findings.get(event.line, []), _likeness(event)
        lines.update(record.line for record in event.records)
        same = next(
            (one for one in known.get(key, ()) if _conclusions(found) <= _conclusions(one.findings)), None
        )
        if same is not None:
            same.alike.append(event)
            continue
        follows = bool(shown) and any(_follows(finding, lines) for finding in found)
        shown.append(Shown(event, found, follows))
        known.setdefault(key, []).append(shown[-1])
    return shown


def _conclusions(findings: Iterable[Finding]) -> set[tuple[str, str]]:
    """Give what was concluded; which report came first is told by the one that stands for all."""
    return {(finding.rule, finding.confidence) for finding in findings if finding.rule != _OF_ORDER}


def _likeness(event: Event) -> object:
    """Give what two reports have in common of which one tells all: the kind, the place, the way there."""
    called = (frame for stack in event.stacks for frame in stack.frames if frame.reliable)
    frames = tuple((frame.function, frame.module) for frame in islice(called, _FRAMES_COMPARED))
    ip = event.ip and (event.ip.function, event.ip.offset_bytes)
    task = event.task.comm if event.task else None
    title = event.title.replace(task, "") if task else event.title
    return event.kind, _PID.sub("", title), event.damage, ip, frames


def _follows(finding: Finding, before: set[int]) -> bool:
    """Tell whether an event is known to be what an earlier one of this log left behind, or its end."""
    if finding.rule != _OF_ORDER or len(finding.evidence) < 2:
        return False
    return finding.evidence[1].line in before and (finding.severity == "info" or finding.confidence == "high")
