# SPDX-License-Identifier: GPL-2.0-or-later
"""
Reports with the same frames are decoded once: a fault that repeats prints the same trace every time.

Only where nothing but what is compared here decides: no damage, and no dump of a task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Any, NamedTuple

from keepsane.model import Code, Event, Frame, Kernel, Stack
from keepsane.report import Check, Failure

MAX_KEPT = 256
"""Traces remembered at a time; the oldest goes first."""

_frame = attrgetter(
    *("function", "offset_bytes", "size_bytes", "module", "build_id", "address", "reliable", "role"),
    *("locations", "note", "file_unused"),
)
_about = attrgetter("kind", "release", "build_id", "arch", "boot")
_code = attrgetter("data", "trap_bytes", "word_bytes")
_BUT_LINE = tuple(field.name for field in fields(Frame) if field.name != "line")
_values = attrgetter(*_BUT_LINE)


class Annotated(NamedTuple):
    """The events with what was decoded, which comparisons were made, and what could not be done."""

    events: tuple[Event, ...]
    checks: tuple[Check, ...]
    failures: tuple[Failure, ...]


_Fields = dict[str, Any]
"""Everything of a frame but its line."""


class _Known(NamedTuple):
    """What came of one report: its frames as they are made again for another."""

    annotated: Annotated
    ip: _Fields | None
    stacks: tuple[tuple[_Fields, ...], ...]


@dataclass(slots=True)
class Repeats:
    """What came of the reports met so far, by their keys."""

    _kept: dict[object, _Known] = field(default_factory=dict)

    def find(self, key: object, event: Event) -> Annotated | None:
        """Give what came of a report with this key, as one of `event`; None where it is not known."""
        known = self._kept.get(key) if key is not None else None
        if known is None:
            return None
        (decoded,) = known.annotated.events
        stacks = zip(event.stacks, decoded.stacks, known.stacks, strict=True)
        again = replace(
            event,
            ip=None if event.ip is None or known.ip is None else Frame(line=event.ip.line, **known.ip),
            link=None
            if event.link is None or decoded.link is None
            else replace(decoded.link, line=event.link.line),
            code=_again(event, decoded.code),
            stacks=tuple(_at_lines_of(own, other, kept) for own, other, kept in stacks),
        )
        return known.annotated._replace(events=(again,))

    def keep(self, key: object, made: Annotated) -> None:
        """Remember what came of one report; one without a key is not kept."""
        if key is None:
            return
        if len(self._kept) >= MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        (event,) = made.events
        ip = None if event.ip is None else _fields(event.ip)
        self._kept[key] = _Known(made, ip, tuple(tuple(map(_fields, stack.frames)) for stack in event.stacks))


def key_of(event: Event, kernel: Kernel) -> object:
    """Give what the decoding of a report depends on; None where more than this does."""
    if event.damage or event.kind == "task-dump":
        return None
    stacks = tuple((stack.name, tuple(map(_frame, stack.frames))) for stack in event.stacks)
    ip, code = event.ip and _frame(event.ip), event.code and _code(event.code)
    # A warning names its line, which is held against the file; an ip may stand below the stack it belongs to.
    said = getattr(event, "file", None), getattr(event, "source_line", None)
    link = event.link and _frame(event.link)
    return kernel, _about(event), said, ip, link, _is_ip_below(event), code, stacks


def _is_ip_below(event: Event) -> bool:
    frames: Sequence[Frame] = event.stacks[0].frames if event.stacks else ()
    return event.ip is not None and bool(frames) and event.ip.line > frames[0].line


def _fields(frame: Frame) -> _Fields:
    return dict(zip(_BUT_LINE, _values(frame), strict=True))


def _again(event: Event, known: Code | None) -> Code | None:
    own = event.code
    if own is None and known is not None and event.ip is not None:
        return replace(known, line=event.ip.line)  # read from a file, at the ip
    if own is None or known is None:
        return own
    return replace(own, instructions=known.instructions, trap=known.trap, members=known.members)


def _at_lines_of(own: Stack, known: Stack, kept: Sequence[_Fields]) -> Stack:
    frames = zip(own.frames, kept, strict=True)
    return replace(known, frames=tuple(Frame(line=frame.line, **other) for frame, other in frames))
