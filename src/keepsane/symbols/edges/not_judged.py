# SPDX-License-Identifier: GPL-2.0-or-later
"""Edges of frames whose calls were not read: every frame has one, and it says why it is `unknown`."""

from __future__ import annotations

from dataclasses import replace

from keepsane.model import Edge, Event, Frame


def not_judged(event: Event, why: str) -> Event:
    """Give every frame of an event the verdict `unknown`, and as its reason its note, else `why`."""
    stacks = tuple(
        replace(stack, frames=tuple(_unknown(frame, why) for frame in stack.frames)) for stack in event.stacks
    )
    return replace(event, stacks=stacks, ip=None if event.ip is None else _unknown(event.ip, why))


def _unknown(frame: Frame, why: str) -> Frame:
    reason = frame.note or f"not judged: {why}"
    return replace(frame, edge=Edge(verdict="unknown", via=(), why=reason, judged=False))
