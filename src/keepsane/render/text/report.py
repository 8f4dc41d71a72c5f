# SPDX-License-Identifier: GPL-2.0-or-later
"""
A page as text. A pure function from a Report to a string; colour comes from the `paint` it is given.

    NULL pointer dereference in poke_null                                             line 345
      task       init, pid 1, CPU 1
      address    0x80, read: NULL + 0x80: a member at offset 0x80 of a NULL structure
      Where it was
        ip widget_value                      crashme.c:27:9  inlined into
            >    27          return READ_ONCE(w->value);
           poke_null+0x16/0x40 [crashme]     crashme.c:41:9
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from textwrap import fill
from typing import NamedTuple

from keepsane.render import elements
from keepsane.render.report_page import page_of
from keepsane.render.text.paint import Paint, link, plain
from keepsane.render.visible import written
from keepsane.report import Report
from keepsane.words import percent_words

WIDTH = 100
_WIDEST_FUNCTION, _WIDEST_PIECE = 60, 32
BAR = 20
"""Characters of the bar that stands for the whole."""


class _Form(NamedTuple):
    """
    How a line begins, and its further ones where it is filled; whether one is left empty before it.

    In a list a name follows, then `mark`, up to `width`.
    """

    first: str = "  "
    fills: bool = False
    rest: str | None = None
    apart: bool = False
    mark: str = ""
    width: int = 0


_HIDDEN: frozenset[elements.Kind | elements.FactsKind] = frozenset({"more", "loose", "failures", "edge"})
_PLAIN = _Form()
_FORMS: dict[elements.Kind | elements.FactsKind, _Form] = {
    "alarm": _Form(""),
    "absent": _Form("    "),
    "finding": _Form("  => ", apart=True),
    "explanation": _Form("     ", fills=True),
    "quote": _Form("     "),
    "instruction": _Form("    "),
    "advice": _Form("     do: ", fills=True),
    "reference": _Form("     see "),
    "leftover": _Form("    ?  ", fills=True),
    "also": _Form("  also: ", fills=True),
    "verified": _Form(apart=True),
    "list": _Form(apart=True),
    "failure": _Form(""),
    "unread": _Form("", apart=True),
    "boots": _Form(mark=": "),
    "notes": _Form(mark=": "),
    "compared": _Form("    ", mark=":", width=16),
    "event": _Form(width=11),
    "folded": _Form(width=11, fills=True),
    "machine": _Form(width=12, fills=True),
    "steps": _Form("       ", mark=":", width=8),
    "counters": _Form("     ", mark=": "),
    "because": _Form("    ", mark=": ", fills=True, rest="      "),
}
"""Those of lines and lists that do not merely stand two blanks in."""
_PROSE = frozenset({"tainted", "asked for", "asked by", "harmless", "could use", "doubt"})
"""Facts of an event that are sentences; others stay in their lines (a message of the kernel's)."""


def render_text(report: Report, paint: Paint = plain) -> str:
    """Write a report for a person."""
    page = page_of(report)
    title = paint("title", page.title) + (f", {page.about}" if page.about else "")
    return written(chain((title,), lines_of(page.parts, paint)))


def lines_of(parts: Iterable[elements.Part], paint: Paint = plain, width: int = 0) -> Iterator[str]:
    """Write elements; `width` is that of the column of functions."""
    for part in parts:
        yield from _part(part, paint, width)


def _part(part: elements.Part, paint: Paint, width: int) -> Iterator[str]:
    match part:
        case elements.Entry():
            yield from _entry(part, paint, width)
        case elements.Line():
            yield from _line(part, paint)
        case elements.Section():
            yield from _section(part, paint, width)
        case elements.Facts():
            yield from _facts(part, paint)
        case elements.Pieces():
            yield from _pieces(part, paint)
        case elements.Table():
            yield from _table(part, paint)


def paragraph(text: str, first: str, rest: str | None = None) -> str:
    """Fill text to the width, after `first` and, on further lines, `rest` (as many blanks)."""
    indent = " " * len(first) if rest is None else rest
    return fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _line(line: elements.Line, paint: Paint) -> Iterator[str]:
    if line.kind in _HIDDEN:
        return
    form = _FORMS.get(line.kind, _PLAIN)
    (text, tone, _), *others = line.runs
    if form.apart:
        yield ""
    first = paragraph(text, form.first, form.rest) if form.fills else form.first + text
    yield paint(tone, first) + "".join(paint(run.tone, run.text) for run in others)


def _section(section: elements.Section, paint: Paint, width: int) -> Iterator[str]:
    if section.head.kind == "event":
        title, where = section.head.runs
        yield ""
        yield paint("error", title.text) + paint("dim", f"{where.text:>{max(2, WIDTH - len(title.text))}}")
        width = min(_WIDEST_FUNCTION, section.widest) + 2
    elif section.head.kind == "failures":
        yield ""
    else:
        yield from _line(section.head, paint)
    if not section.folded:
        yield from lines_of(section.parts, paint, width)


def _facts(facts: elements.Facts, paint: Paint) -> Iterator[str]:
    if facts.kind in _HIDDEN:
        return
    form = _FORMS[facts.kind]
    for fact in facts.rows:
        width = form.width if form.mark or form.fills else max(form.width, len(fact.name) + 1)
        first = f"{form.first}{fact.name + form.mark:<{width}}"
        if form.fills or (facts.kind == "event" and fact.name in _PROSE):
            yield paint(fact.tone, paragraph(fact.text, first, form.rest))
            continue
        for said in fact.text.splitlines():
            yield first + paint(fact.tone, said)
            first = " " * len(first)


def _entry(entry: elements.Entry, paint: Paint, width: int) -> Iterator[str]:
    if entry.repeated:
        return
    mark: str = entry.mark
    for name, place, remark, source in entry.levels:
        row = f"    {mark:<3}" + paint("dim" if mark == "?" else "function", name)
        if place.text or remark:
            row += " " * max(1, width - len(name)) + (
                link(paint, place.text, place.path) if place.text else ""
            )
        yield row + (paint("dim", f"  {remark}") if remark else "")
        if source is not None and mark != "+":
            # About the place of the fault, the lines around it too.
            yield from _source(source, paint, around=entry.opened and mark == "ip")
        mark = "" if mark == "ip" else mark
    if entry.reason:
        yield paint("dim", paragraph(entry.reason, " " * 11, " " * 13))


def _source(source: elements.Source, paint: Paint, *, around: bool) -> Iterator[str]:
    for number, code in source.lines:
        is_here = number == source.here
        if is_here or around:
            shown = f"        {'>' if is_here else ' '} {number:>5}  {code}".rstrip()
            yield paint("source" if is_here else "dim", shown)


def _pieces(pieces: elements.Pieces, paint: Paint) -> Iterator[str]:
    """Write the parts as rows in which names, sizes and bars stand below each other."""
    if pieces.pictured:
        return
    whole = sum(piece.size for piece in pieces.parts)
    wide = max((len(piece.name[:_WIDEST_PIECE]) for piece in pieces.parts), default=0)
    for name, size, said, note in pieces.parts:
        bar = "#" * (round(BAR * size / whole) if whole > 0 else 0)
        row = f"     {name[:_WIDEST_PIECE]:<{wide}}{said:>9} {percent_words(size, whole):>5}  {bar:<{BAR}}"
        yield f"{row}  {paint('dim', note) if note else ''}".rstrip()


def _table(table: elements.Table, paint: Paint) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(table.head, *table.rows, strict=True)]
    for number, (first, *numbers, last) in enumerate((table.head, *table.rows)):
        cells = [f"{cell:>{width}}" for cell, width in zip(numbers, widths[1:-1], strict=True)]
        row = f"    {first:<{widths[0]}}  {'  '.join(cells)}  {last}".rstrip()
        yield paint("dim", row) if number == 0 else row
