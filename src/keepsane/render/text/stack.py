# SPDX-License-Identifier: GPL-2.0-or-later
"""
A stack as text: its frames, and, where edges were judged, how each caller got there.

      +  grab                                crashme.c:87   not in the log: it jumps on
       exhaust+0x79/0x1b0 [crashme]          crashme.c:97:21
         tail-call: exhaust calls grab, which jumps to alloc_pages_noprof
    ?  4 frames: an earlier page fault, handle_mm_fault → __handle_mm_fault → do_wp_page
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import NamedTuple

from keepsane.kernel.log.demangle import demangled
from keepsane.model import Edge, Event, Frame, SourceLine, Stack
from keepsane.render.text.finding import paragraph
from keepsane.render.text.frame import frame_lines, place
from keepsane.render.text.paint import Paint
from keepsane.symbols.edges.not_judged import NOT_JUDGED

_SELF_EVIDENT = frozenset({"direct", "inlined", "exception"})


def stack_lines(stack: Stack, event: Event, paint: Paint, width: int) -> Iterator[str]:
    """Write a stack, innermost frame first; frames left over from one earlier path are one line."""
    yield paint("title", f"  {stack.name}")
    frames = stack.frames[1:] if _repeats_ip(event, stack) else stack.frames
    for group, members in groupby(frames, key=_group):
        if group:
            yield paragraph(group, "    ?  ")
            continue
        for frame in members:
            yield from _missing(frame.edge, paint, width)
            yield from frame_lines(frame, paint, width)
            yield from _reason(frame, paint)


def _repeats_ip(event: Event, stack: Stack) -> bool:
    """Tell whether a stack begins with the frame that was just written (arm64 prints it twice)."""
    ip = event.ip
    if ip is None or not stack.frames:
        return False
    first = stack.frames[0]
    return (first.function, first.offset_bytes) == (ip.function, ip.offset_bytes)


def _group(frame: Frame) -> str:
    return frame.edge.group if frame.edge is not None else ""


class MissingFrame(NamedTuple):
    """A function that a tail call removed from the trace; `source` is where it jumped on."""

    function: str
    source: SourceLine | None


def missing_frames(edge: Edge | None) -> tuple[MissingFrame, ...]:
    """
    Name the functions between a frame and the one above it that no trace can show, innermost first.

    Only where exactly one chain of jumps fits are they named; with several, nothing is put into the trace.
    """
    if edge is None or edge.verdict != "tail-call" or edge.why.startswith("one of"):
        return ()
    found = [
        MissingFrame(hop.function, following.source) for hop, following in pairwise(edge.via) if hop.function
    ]
    return tuple(reversed(found))


def _missing(edge: Edge | None, paint: Paint, width: int) -> Iterator[str]:
    """Put what tail calls removed back in its place, marked as not in the log."""
    for function, source in missing_frames(edge):
        shown, where = demangled(function), place(source)
        row = f"    +  {paint('function', shown)}{' ' * max(1, width - len(shown))}{where}"
        yield row + paint("dim", "  not in the log: it jumped on")


def is_said_elsewhere(frame: Frame) -> bool:
    """Tell whether what a frame's edge says is its note, or is said once for all frames."""
    edge = frame.edge
    return edge is not None and (edge.why == frame.note or edge.why.startswith(NOT_JUDGED))


def _reason(frame: Frame, paint: Paint) -> Iterator[str]:
    """Say what is not evident: every `?` frame, every call through a pointer, every doubt."""
    edge = frame.edge
    if edge is None or (frame.reliable and edge.verdict in _SELF_EVIDENT) or is_said_elsewhere(frame):
        return
    yield paint("dim", paragraph(f"{edge.verdict}: {edge.why}", "           ", "             "))
