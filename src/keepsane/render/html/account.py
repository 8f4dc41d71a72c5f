# SPDX-License-Identifier: GPL-2.0-or-later
"""The account of a failed allocation as HTML: where the free memory was as a picture, then zone by zone."""

from __future__ import annotations

from keepsane.kernel.pages.ledger import Ledger
from keepsane.kernel.pages.ledger_table import Table, ledger_table, losses_in_words
from keepsane.model import Event
from keepsane.render.html.element import Markup, element, joined, say, span
from keepsane.words import counted

_NOTHING = Markup("")
_TITLE = "What each zone had for this request, in pages"


def account_element(event: Event) -> Markup:
    """Give the account of an event that has one, else nothing."""
    ledger: Ledger | None = getattr(event, "ledger", None)
    table = ledger_table(ledger) if ledger is not None else None
    if ledger is None or table is None:
        return _NOTHING
    return element("section", element("h3", say(_TITLE)), _bar(ledger), _table(table), kind="account")


def _bar(ledger: Ledger) -> Markup:
    """Give the free memory as one bar, its parts as wide as they are large, and named below."""
    parts = losses_in_words(ledger)
    whole = sum(pages for _, pages in parts)
    if not whole:
        return _NOTHING
    pieces = joined(_piece(number, name, 100 * pages / whole) for number, (name, pages) in enumerate(parts))
    said = ", ".join(f"{name} {100 * pages / whole:.0f} %" for name, pages in parts)
    legend = joined(
        element("li", span(f"swatch part{number % 6}", ""), say(f"{name}: {counted(pages, 'page')}"))
        for number, (name, pages) in enumerate(parts)
    )
    picture = Markup(f'<div class="bar" role="img" aria-label="{say(said)}">{pieces}</div>')
    return element("figure", picture, element("ul", legend, kind="legend"))


def _piece(number: int, name: str, percent: float) -> Markup:
    return Markup(f'<span class="part{number % 6}" style="width:{percent:.2f}%" title="{say(name)}"></span>')


def _table(table: Table) -> Markup:
    head = element("tr", *(element("th", say(cell)) for cell in table.head))
    body = joined(_row(row) for row in table.rows)
    return element("div", element("table", head, body), kind="wide numbers")


def _row(row: tuple[str, ...]) -> Markup:
    return element("tr", *(element("td", say(cell)) for cell in row))
