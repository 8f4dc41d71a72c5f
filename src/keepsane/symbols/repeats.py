# SPDX-License-Identifier: GPL-2.0-or-later
"""
Reports with the same frames are decoded once: a failure that repeats prints the same trace every time.

Only where nothing but the frames decides: no instruction pointer, no `Code:` line, no damage.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Generic, TypeVar

from keepsane.model import Event, Kernel, Stack

MAX_KEPT = 256
"""Traces remembered at a time; the oldest goes first."""

_frame = attrgetter(
    *("function", "offset_bytes", "size_bytes", "module", "build_id", "address", "reliable", "role"),
    *("locations", "note"),
)
_about = attrgetter("kind", "release", "build_id", "modules", "registers", "boot")

T = TypeVar("T")


@dataclass(slots=True)
class Repeats(Generic[T]):
    """What came of the traces met so far, by their keys."""

    _kept: dict[object, T] = field(default_factory=dict)

    def find(self, key: object) -> T | None:
        """Give what came of a trace with this key; None where it is not known."""
        return self._kept.get(key) if key is not None else None

    def keep(self, key: object, made: T) -> None:
        """Remember what came of a trace; one without a key is not kept."""
        if key is None:
            return
        if len(self._kept) >= MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = made


def key_of(event: Event, kernel: Kernel) -> object:
    """Give what the decoding of a report depends on; None where more than its frames does."""
    if event.ip is not None or event.code is not None or event.damage or event.kind == "task-dump":
        return None
    stacks = tuple((stack.name, tuple(map(_frame, stack.frames))) for stack in event.stacks)
    return kernel, _about(event), stacks


def like(event: Event, decoded: Event) -> Event:
    """Give an event the frames of one with the same key, at its own lines."""
    stacks = zip(event.stacks, decoded.stacks, strict=True)
    return replace(event, stacks=tuple(_at_lines_of(own, known) for own, known in stacks))


def _at_lines_of(own: Stack, known: Stack) -> Stack:
    frames = zip(own.frames, known.frames, strict=True)
    return replace(known, frames=tuple(replace(other, line=frame.line) for frame, other in frames))
