# SPDX-License-Identifier: GPL-2.0-or-later
"""
A report as one HTML file: no script, nothing loaded from anywhere, opens and closes by itself.

A pure function from a Report to a page; a policy in the page forbids whatever a log might smuggle in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from keepsane.render.elements import Page, Part, Section
from keepsane.render.html.element import Markup, details, element, joined, rows, say, span
from keepsane.render.html.style import STYLE
from keepsane.render.html.writer import MARKS, markup_of
from keepsane.render.report_page import page_of
from keepsane.report import Report

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


def _main(made: Page, schema: int, plots: Markup) -> Iterator[Markup]:
    about = element("p", say(made.about)) if made.about else Markup("")
    yield element("header", element("h1", say(made.title)), about)
    parts = tuple(made.parts)
    events = [part for part in parts if isinstance(part, Section) and part.line]
    yield _contents(events)
    yield markup_of(part for part in parts if not _is_list(part))
    yield plots
    yield markup_of(filter(_is_list, parts))
    marks = (
        details(
            say("What the marks mean"), rows((*MARKS.items(), ("number", "the line of the log"))), kind="part"
        )
        if events
        else Markup("")
    )
    yield element("footer", marks, element("p", say(f"Written by keepsane, report schema {schema}.")))


def _is_list(part: Part) -> bool:
    return isinstance(part, Section) and part.head.kind == "list"


def _contents(events: list[Section]) -> Markup:
    """List the events, where there is more than one, with a link to each."""
    if len(events) < 2:
        return Markup("")
    return element("nav", element("ul", joined(map(_entry, events))))


def _entry(event: Section) -> Markup:
    title, where = event.head.runs
    link = f'<a href="#event-{event.line}">{say(title.text)}</a>'
    return element("li", Markup(link), span("dim", f" {where.text}"))
