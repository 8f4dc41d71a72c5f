# SPDX-License-Identifier: GPL-2.0-or-later
"""
A frame as text: its inlined callees first, innermost on top, then itself, each with its place.

    ip widget_value                      crashme.c:27:9   inlined into
    >    27          return READ_ONCE(w->value);
       poke_null+0x16/0x40 [crashme]     crashme.c:41:9
"""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.kernel.log.demangle import demangled
from keepsane.model import Event, Frame, SourceLine, SourceText
from keepsane.render.text.paint import Paint, link

CONTEXT_LINES = 3
_WIDEST = 60


def frame_name(frame: Frame) -> str:
    """Give a frame as the kernel prints it: `do_null.constprop.0+0x5f/0x90 [crashme]`."""
    function = demangled(frame.function) if frame.function is not None else None
    if function is None or frame.offset_bytes is None:
        name = function or f"{frame.address or 0:#x}"
    elif frame.size_bytes is None:
        name = f"{function}+{frame.offset_bytes:#x}"
    else:
        name = f"{function}+{frame.offset_bytes:#x}/{frame.size_bytes:#x}"
    return name + (f" [{frame.module}]" if frame.module else "")


def name_width(event: Event) -> int:
    """Give the width of the column of names in an event's stacks."""
    frames = [frame for stack in event.stacks for frame in stack.frames]
    names = [len(frame_name(frame)) for frame in frames if frame.locations]
    return min(_WIDEST, max(names, default=30)) + 2


def place(location: SourceLine | None) -> str:
    """Give `file:line:column` as far as it is known."""
    if location is None or location.file is None:
        return ""
    line = f":{location.line}" if location.line else ""
    column = f":{location.column}" if location.line and location.column else ""
    return location.file + line + column


def frame_lines(frame: Frame, paint: Paint, width: int, *, context: bool = False) -> Iterator[str]:
    """Write a frame; with `context`, the lines around its innermost place too."""
    mark = "ip" if frame.role == "ip" else "" if frame.reliable else "?"
    outer = frame.locations[-1] if frame.locations else None
    for location in frame.locations[:-1]:
        yield _row(mark, location.function, location, "inlined into", paint, width)
        yield from _source(location.text, location.line, paint, context=context)
        mark, context = "" if mark == "ip" else mark, False
    yield _row(mark, frame_name(frame), outer, frame.note, paint, width)
    if outer is not None:
        yield from _source(outer.text, outer.line, paint, context=context)


def _row(mark: str, name: str, location: SourceLine | None, note: str, paint: Paint, width: int) -> str:
    where = place(location)
    # Why a whole file is not used is said once, at the top or the end; each frame's note stays in JSON.
    note = "" if note.startswith("not decoded") else note
    path = location.text.path if location is not None and location.text is not None else ""
    row = f"    {mark:<3}" + paint("dim" if mark == "?" else "function", name)
    if where or note:
        row += " " * max(1, width - len(name)) + (link(paint, where, path) if where else "")
    return row + (paint("dim", f"  {note}") if note else "")


def _source(text: SourceText | None, line: int | None, paint: Paint, *, context: bool) -> Iterator[str]:
    """Quote the line itself; around the place of the fault, the lines about it too."""
    if text is None or line is None:
        return
    for number, code in enumerate(text.lines, text.first_line):
        if number == line or (context and abs(number - line) <= CONTEXT_LINES):
            mark = ">" if number == line else " "
            shown = f"        {mark} {number:>5}  {code.expandtabs(8)}".rstrip()
            yield paint("source" if number == line else "dim", shown)
