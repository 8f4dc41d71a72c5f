# SPDX-License-Identifier: GPL-2.0-or-later
"""
Elements as lines of text. Nothing is wider than the columns there are, save what would be broken by a cut:
a path, a command to paste, a line of source, a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from keepsane.render import elements
from keepsane.render.elements import Run
from keepsane.render.text.forms import FORMS, HIDDEN, PLAIN
from keepsane.render.text.paint import Paint, plain
from keepsane.render.text.wrap import filled
from keepsane.words import percent_words

WIDTH = 100
"""Columns of a text where no terminal says otherwise."""
_WIDEST_FUNCTION, _WIDEST_PIECE = 60, 32
_COMMANDS = frozenset({"run", "undo"})
BAR = 20
"""Characters of the bar that stands for the whole."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes elements into `columns`; `names` is the width of the column of functions."""

    paint: Paint = plain
    columns: int = WIDTH
    names: int = 0

    def lines(self, parts: Iterable[elements.Part]) -> Iterator[str]:
        """Write elements one after another."""
        for part in parts:
            yield from self._part(part)

    def filled(self, runs: Iterable[Run], first: str, rest: str | None = None) -> Iterator[str]:
        """Write runs after `first` and, on further lines, `rest`."""
        return filled(runs, first, rest, self.columns, self.paint)

    def _part(self, part: elements.Part) -> Iterator[str]:
        match part:
            case elements.Entry():
                return self._entry(part)
            case elements.Line():
                return self._line(part)
            case elements.Section():
                return self._section(part)
            case elements.Facts():
                return self._facts(part)
            case elements.Pieces():
                return self._pieces(part)
            case elements.Table():
                return self._table(part)
            case elements.Source():
                return iter(())  # stands with its frame

    def _line(self, line: elements.Line) -> Iterator[str]:
        if line.kind in HIDDEN:
            return
        form = FORMS.get(line.kind, PLAIN)
        if form.apart:
            yield ""
        yield from self.filled(line.runs, form.first, form.rest)

    def _section(self, section: elements.Section) -> Iterator[str]:
        inner = self
        if section.head.kind == "event":
            yield from self._title(*section.head.runs)
            inner = replace(self, names=min(_WIDEST_FUNCTION, section.widest) + 2)
        elif section.head.kind == "failures":
            yield ""
        else:
            yield from self._line(section.head)
        if not section.folded:
            yield from inner.lines(section.parts)

    def _title(self, title: Run, where: Run) -> Iterator[str]:
        """Write a title with its line at the right; a long one goes on below and leaves that column free."""
        room = self.columns - len(where.text) - 2
        rows = list(filled((Run(title.text),), "", "  ", room, plain))
        yield ""
        gap = " " * (self.columns - len(rows[0]) - len(where.text)) if len(rows[0]) <= room else "  "
        yield self.paint("error", rows[0]) + gap + self.paint("dim", where.text)
        for row in rows[1:]:
            yield self.paint("error", row)

    def _facts(self, facts: elements.Facts) -> Iterator[str]:
        if facts.kind in HIDDEN:
            return
        form = FORMS[facts.kind]
        for fact in facts.rows:
            width = form.width if form.mark else max(form.width, len(fact.name) + 1)
            first = f"{form.first}{fact.name + form.mark:<{width}}"
            for said in fact.text.splitlines():
                if facts.kind == "steps" and fact.name in _COMMANDS:  # pasted as it stands
                    yield first + self.paint(fact.tone, said)
                else:
                    yield from self.filled((Run(said, fact.tone),), first, form.rest)
                first = " " * len(first)

    def _entry(self, entry: elements.Entry) -> Iterator[str]:
        if entry.repeated:
            return
        mark: str = entry.mark
        for name, place, remark, source in entry.levels:
            runs = [Run(name, "dim" if mark == "?" else "function")]
            if place.text or remark:
                runs += [Run(" " * max(1, self.names - len(name))), place]
            runs += [Run(f"  {remark}", "dim")] if remark else []
            yield from self.filled(runs, f"    {mark:<3}", " " * 11)
            if source is not None and mark != "+":
                # About the place of the fault, the lines around it too.
                yield from self._source(source, around=entry.opened and mark == "ip")
            mark = "" if mark == "ip" else mark
        if entry.reason:
            yield from self.filled((Run(entry.reason, "dim"),), " " * 11, " " * 13)

    def _source(self, source: elements.Source, *, around: bool) -> Iterator[str]:
        for number, code in source.lines:
            is_here = number == source.here
            if is_here or around:
                shown = f"        {'>' if is_here else ' '} {number:>5}  {code}".rstrip()
                yield self.paint("source" if is_here else "dim", shown)

    def _pieces(self, pieces: elements.Pieces) -> Iterator[str]:
        """Write the parts as rows in which names, sizes and bars stand below each other."""
        if pieces.pictured:
            return
        whole = sum(piece.size for piece in pieces.parts)
        wide = max((len(piece.name[:_WIDEST_PIECE]) for piece in pieces.parts), default=0)
        for name, size, said, note in pieces.parts:
            bar = "#" * (round(BAR * size / whole) if whole > 0 else 0)
            row = f"{name[:_WIDEST_PIECE]:<{wide}}{said:>9} {percent_words(size, whole):>5}  {bar:<{BAR}}  "
            yield from self.filled((Run(row), Run(note, "dim")), "     ", " " * 9)

    def _table(self, table: elements.Table) -> Iterator[str]:
        widths = [max(map(len, column)) for column in zip(table.head, *table.rows, strict=True)]
        for number, (first, *numbers, last) in enumerate((table.head, *table.rows)):
            cells = [f"{cell:>{width}}" for cell, width in zip(numbers, widths[1:-1], strict=True)]
            row = f"    {first:<{widths[0]}}  {'  '.join(cells)}  {last}".rstrip()
            yield self.paint("dim", row) if number == 0 else row
