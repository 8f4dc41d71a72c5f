# SPDX-License-Identifier: GPL-2.0-or-later
"""
A frame as HTML: one row per level of its inline chain; it opens to its source lines and its edge.

A row is: line of the log, mark, name, place, verdict of the edge.
"""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.kernel.log.demangle import demangled
from keepsane.model import Edge, Frame, Hop, SourceLine
from keepsane.render.html.element import Markup, details, element, joined, rows, say, span
from keepsane.render.text.frame import CONTEXT_LINES, frame_name, place
from keepsane.render.text.stack import MissingFrame

_HINTS = {
    "ip": "was executing",
    "?": "the kernel is not sure that this frame belongs to the path",
    "+": "not in the log: put back where a tail call removed it",
}


def frame_element(frame: Frame, *, unfolded: bool = False) -> Markup:
    """Give a frame; it can be opened where there is more to it than its row."""
    shown = joined(_chain(frame))
    inner = joined(_inside(frame))
    kind = "frame" if frame.reliable else "frame unsure"
    if not inner:
        return element("div", shown, kind=kind)
    return details(shown, inner, kind=kind, unfolded=unfolded)


def missing_element(gone: MissingFrame) -> Markup:
    """Give the frame that a tail call removed, marked as not in the log."""
    name, where = demangled(gone.function), place(gone.source)
    row = _row(None, "+", name, where, "not in the log: it jumped on")
    inner = _source(gone.source)
    if not inner:
        return element("div", row, kind="frame missing")
    return details(row, inner, kind="frame missing")


def _row(line: int | None, mark: str, name: str, where: str, note: str, verdict: str = "") -> Markup:
    said = element("span", span("place", where), span("remark", note) if note else Markup(""), kind="where")
    return element(
        "span",
        span("line", str(line) if line is not None else ""),
        span("mark", mark, _HINTS.get(mark, "")),
        span("name", name),
        said,
        span(f"verdict {verdict}", verdict),
        kind="row",
    )


def _chain(frame: Frame) -> Iterator[Markup]:
    """Give a row per inlined function, innermost first, then the row of the frame itself."""
    mark = "ip" if frame.role == "ip" else "" if frame.reliable else "?"
    line: int | None = frame.line
    for location in frame.locations[:-1]:
        yield _row(line, mark, location.function, place(location), "inlined into")
        line, mark = None, "" if mark == "ip" else mark
    outer = place(frame.locations[-1]) if frame.locations else ""
    verdict = frame.edge.verdict if frame.edge is not None else ""
    # Why a whole file is not used is said once, at the top or the end; each frame's note stays in JSON.
    note = "" if frame.note.startswith("not decoded") else frame.note
    yield _row(line, mark, frame_name(frame), outer, note, verdict)


def _inside(frame: Frame) -> Iterator[Markup]:
    yield from (_source(location) for location in frame.locations)
    if frame.edge is not None:
        yield _edge(frame.edge, frame.locations[0] if frame.locations else None)
    known = (
        ("address", f"{frame.address:#x}" if frame.address is not None else ""),
        ("build-id", frame.build_id or ""),
        ("kind", "an address that only lay on the stack" if frame.role == "pointer" else ""),
    )
    said = [(name, text) for name, text in known if text]
    if said:
        yield rows(said)


def _edge(edge: Edge, called_in: SourceLine | None) -> Markup:
    why = element("p", element("strong", say(edge.verdict)), say(f": {edge.why}" if edge.why else ""))
    steps = joined(element("li", _hop(hop)) for hop in edge.via)
    call = _call(edge, place(called_in)) if edge.instruction else Markup("")
    return element("div", why, call, element("ol", steps) if steps else steps, kind="edge")


def _call(edge: Edge, where: str) -> Markup:
    """Give the instruction of the call with its line; the reason says as what it ran where it was patched."""
    parts = [span("dim", edge.at), element("code", say(edge.instruction))]
    parts += [span("place", where)] if where else []
    return element("p", Markup(" ".join(part for part in parts if part)))


def _hop(hop: Hop) -> Markup:
    """Give one step from the caller to the callee with the line where it is taken."""
    parts = [span("dim", hop.kind)]
    names = (demangled(hop.function) if hop.function else None, hop.name)
    parts += [element("code", say(text)) for text in names if text]
    if where := place(hop.source):
        parts.append(span("place", where))
    return Markup(" ".join((*parts, _source(hop.source))))


def _source(location: SourceLine | None) -> Markup:
    """Quote the source around a place, and say which file it was read from."""
    if location is None or location.text is None or location.line is None:
        return Markup("")
    lines = joined(
        element(
            "span", say(f"{number:>6}  {code.expandtabs(8)}"), kind="here" if number == location.line else ""
        )
        for number, code in enumerate(location.text.lines, location.text.first_line)
        if abs(number - location.line) <= CONTEXT_LINES
    )
    read = f"{location.function}, read from {location.text.path}" if location.text.path else location.function
    return element("figure", element("figcaption", say(read)), element("pre", lines))
