# SPDX-License-Identifier: GPL-2.0-or-later
"""
A page as one HTML file: no script, nothing loaded from anywhere, opens and closes by itself.

A pure function from a Report to a page; a policy in the page forbids whatever a log might smuggle in. A
frame has a row for each level of its inline chain, with line, mark, name, place and verdict, and opens to its
source and its edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from keepsane.render import elements
from keepsane.render.event_page import more_of
from keepsane.render.html.element import Markup, details, element, joined, reference, rows, say, span
from keepsane.render.html.style import STYLE
from keepsane.render.report_page import page_of
from keepsane.report import Report
from keepsane.words import percent_words

_NOTHING = Markup("")
HEAD = (
    '<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="referrer" content="no-referrer">'
)


def render_html(report: Report, *, plots: Iterable[Markup] = ()) -> str:
    """
    Write a report as a page that is complete in itself; `plots` stand above what was ruled out.

    Everything a log says is escaped; escape sequences and control characters are removed from it.
    """
    made = page_of(report)
    return page(made.title, _main(made, report.schema, joined(plots)))


def page(title: str, parts: Iterable[Markup]) -> str:
    """Give a whole page from its parts, with the policy that every page has."""
    head = element("head", Markup(HEAD), element("title", say(title)), element("style", Markup(STYLE)))
    main = element("main", joined(parts))
    return f'<!DOCTYPE html>\n<html lang="en">{head}\n<body>{main}</body></html>\n'


def _main(made: elements.Page, schema: int, plots: Markup) -> Iterator[Markup]:
    about = element("p", say(made.about)) if made.about else _NOTHING
    yield element("header", element("h1", say(made.title)), about)
    parts = tuple(made.parts)
    events = [part for part in parts if isinstance(part, elements.Section) and part.line]
    yield _contents(events)
    yield markup_of(part for part in parts if not _is_list(part))
    yield plots
    yield markup_of(filter(_is_list, parts))
    marks = details(say("What the marks mean"), rows(MARKS.items()), kind="part") if events else _NOTHING
    yield element("footer", marks, element("p", say(f"Written by keepsane, report schema {schema}.")))


def _is_list(part: elements.Part) -> bool:
    return isinstance(part, elements.Section) and part.head.kind == "list"


def _contents(events: list[elements.Section]) -> Markup:
    """List the events, where there is more than one, with a link to each."""
    if len(events) < 2:
        return _NOTHING
    return element("nav", element("ul", joined(map(_entry, events))))


def _entry(event: elements.Section) -> Markup:
    title, where = event.head.runs
    link = f'<a href="#event-{event.line}">{say(title.text)}</a>'
    return element("li", Markup(link), span("dim", f" {where.text}"))


_HEADS: dict[elements.Kind, tuple[str, str]] = {
    "event": ("article", "h2"),
    "list": ("article", "h2"),
    "verified": ("article", "h2"),
    "loose": ("section", "h2"),
    "failures": ("section", "h2"),
}
"""The element of a section and that of its head, where they are not a section under an h3."""
MARKS = {
    "ip": "the instruction that was executing",
    "?": "lay on the stack; the kernel is not sure that it belongs to the path",
    "+": "not in the log: a tail call removed it, it was put back from the caller's bytes",
    "number": "the line of the log",
}
"""What stands before the name of a frame, and means."""


def markup_of(parts: Iterable[elements.Part]) -> Markup:
    """Write elements one after another."""
    return joined(map(_part, parts))


def _part(part: elements.Part) -> Markup:
    match part:
        case elements.Line():
            return _line(part)
        case elements.Section():
            return _section(part)
        case elements.Facts():
            return _facts(part)
        case elements.Entry():
            return _frame(part)
        case elements.Source():
            return _source(part)
        case elements.Pieces():
            return _pieces(part.parts)
        case elements.Table():
            return _table(part)


def _runs(runs: Iterable[elements.Run]) -> Markup:
    return joined(span(run.tone, run.text) if run.tone else say(run.text) for run in runs)


def _blank_before(run: elements.Run) -> Markup:
    """Keep the line of an event apart from its title, where it is copied too."""
    return joined((say(" "), _runs((run,))))


def _line(line: elements.Line) -> Markup:
    said = _runs(line.runs)
    if line.kind == "reference":
        said = joined((say("see "), reference(line.runs[0].text)))
    if line.kind == "advice":
        said = joined((element("strong", say("What to do: ")), said))
    return element("p", said, kind=line.kind)


def _section(section: elements.Section) -> Markup:
    kind, inner = section.head.kind, markup_of(section.parts)
    said = joined(map(_blank_before, section.head.runs)) if kind == "event" else _runs(section.head.runs)
    if kind == "leftover":
        marked = (span("line", ""), span("mark", "?"), span("name all", section.head.runs[0].text))
        return details(element("span", *marked, kind="row"), inner, kind="frame group")
    if section.folded or kind == "file":
        return details(said, inner, kind=f"part {kind}")
    name, heading = _HEADS.get(kind, ("section", "h3"))
    kind_of = f"finding of-{section.head.runs[0].tone}" if kind == "finding" else kind
    anchor = f"event-{section.line}" if section.line else ""
    return element(name, element(heading, said), inner, kind=kind_of, anchor=anchor)


def _facts(facts: elements.Facts) -> Markup:
    if facts.kind == "folded":
        return joined(
            details(say(name), element("p", say(text)), kind="part") for name, text, _ in facts.rows
        )
    return rows(((name, text) for name, text, _ in facts.rows), kind=facts.kind)


def _frame(entry: elements.Entry) -> Markup:
    """Give a frame; it can be opened where there is more to it than its row."""
    shown = joined(_levels(entry))
    sources = (level.source for level in entry.levels if level.source is not None)
    inner = markup_of((*sources, *(more_of(entry.frame) if entry.frame is not None else ())))
    kind = {"?": "frame unsure", "+": "frame missing"}.get(entry.mark, "frame")
    if not inner:
        return element("div", shown, kind=kind)
    return details(shown, inner, kind=kind, unfolded=entry.opened)


def _levels(entry: elements.Entry) -> Iterator[Markup]:
    """Give a row for each level; the line stands at the first, the verdict at the last."""
    line, mark = str(entry.frame.line) if entry.frame is not None else "", entry.mark
    verdict = entry.frame.edge.verdict if entry.frame is not None and entry.frame.edge is not None else ""
    for level in entry.levels:
        yield _row(line, mark, level, verdict if level is entry.levels[-1] else "")
        line, mark = "", "" if mark == "ip" else mark


def _row(line: str, mark: str, level: elements.Level, verdict: str) -> Markup:
    remark = span("remark", level.remark) if level.remark else _NOTHING
    return element(
        "span",
        span("line", line),
        span("mark", mark, MARKS.get(mark, "")),
        span("name", level.name),
        element("span", span("place", level.place.text), remark, kind="where"),
        span(f"verdict {verdict}", verdict),
        kind="row",
    )


def _source(source: elements.Source) -> Markup:
    lines = joined(
        element("span", say(f"{number:>6}  {code}"), kind="here" if number == source.here else "")
        for number, code in source.lines
    )
    return element("figure", element("figcaption", say(source.caption)), element("pre", lines))


def _pieces(parts: tuple[elements.Piece, ...]) -> Markup:
    """Give the parts of a whole with a bar each; nothing where there are no parts, or only empty ones."""
    whole = sum(part.size for part in parts)
    shown = joined(_piece(part, whole) for part in parts) if whole > 0 else _NOTHING
    return element("div", element("table", shown), kind="wide shares") if shown else shown


def _piece(part: elements.Piece, whole: int) -> Markup:
    """Give a row; the width is a number made here, so that nothing from a log becomes markup."""
    bar = Markup(f'<span class="bar" style="width:{100 * max(part.size, 0) / whole:.2f}%"></span>')
    cells = _cells("td", (part.name, part.said, percent_words(part.size, whole)))
    return element("tr", cells, element("td", bar), element("td", say(part.note)))


def _cells(name: str, cells: Iterable[str]) -> Markup:
    return joined(element(name, say(cell)) for cell in cells)


def _table(table: elements.Table) -> Markup:
    body = joined(element("tr", _cells("td", row)) for row in table.rows)
    return element(
        "div", element("table", element("tr", _cells("th", table.head)), body), kind="wide numbers"
    )
