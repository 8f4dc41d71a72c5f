# SPDX-License-Identifier: GPL-2.0-or-later
"""
A page as text. A pure function from a Report to a string; colour comes from the `paint` it is given.

    NULL pointer dereference in poke_null                                             line 345
      task       init, pid 1, CPU 1
      address    0x80, read: NULL + 0x80: in the first page, where no object lies
      Where it was
        ip widget_value                      crashme.c:27:9  inlined into
            >    27          return READ_ONCE(w->value);
           poke_null+0x16/0x40 [crashme]     crashme.c:41:9
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from keepsane.render.elements import Page, Part, Run
from keepsane.render.report_page import page_of
from keepsane.render.text.brief import ROOM, shortened
from keepsane.render.text.cuts import rows_of
from keepsane.render.text.paint import Paint, plain
from keepsane.render.text.writer import WIDTH, Writer
from keepsane.render.visible import written
from keepsane.report import Report

LEAST_ROOM = 24
"""Lines of an event among several, or among much else that must be said."""


def render_text(report: Report, paint: Paint = plain, *, columns: int = WIDTH, brief: bool = False) -> str:
    """
    Write a report for a person, into so many `columns`.

    `brief`: a crash has at most ROOM lines, and what was left out is named; a machine's memory is not cut.
    """
    page, writer = page_of(report, brief=brief), Writer(paint, columns)
    title = tuple(_title(page, writer))
    parts = _brief(page, writer, ROOM - len(title)) if brief else page.parts
    return written(chain(title, writer.lines(parts)))


def _title(page: Page, writer: Writer) -> Iterator[str]:
    """Keep the verdict on one line, which a script may read; the kernel stands beside it or below."""
    title = writer.paint("title", page.title)
    if len(page.title) + len(page.about) + 2 <= writer.columns or not page.about:
        yield title + (f", {page.about}" if page.about else "")
        return
    yield title
    yield from writer.filled((Run(page.about),), "  ")


def _brief(page: Page, writer: Writer, room: int) -> Iterator[Part]:
    """Shorten the events: one alone has what the rest leaves, of several each has less."""
    around = rows_of((*page.before, *page.folded, *page.after), writer)
    yield from page.before
    if page.whole > 1:
        yield from (
            shortened(event, writer, max(LEAST_ROOM, 2 * ROOM // page.whole)) for event in page.events
        )
    else:
        events = tuple(page.events)
        titled = rows_of((event for event in events if not event.widest), writer)
        for event in events:
            room_of = max(LEAST_ROOM, room - around - titled)
            yield shortened(event, writer, room_of) if event.widest else event
    yield from page.folded
    yield from page.after
