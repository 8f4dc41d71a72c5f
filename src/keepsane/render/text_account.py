# SPDX-License-Identifier: GPL-2.0-or-later
"""The account of a failed allocation as text: aligned columns, numbers to the right."""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.model import Event
from keepsane.render.paint import Paint


def account_lines(event: Event, paint: Paint) -> Iterator[str]:
    """Write the account of an event that has one."""
    ledger = getattr(event, "ledger", None)
    if ledger is None:
        return
    # Imported for these alone: most reports are of other kinds.
    from keepsane.render.ledger_table import ledger_table

    table = ledger_table(ledger)
    if table is None:
        return
    yield paint("title", "  What each zone had for this request, in pages (it needs more than 0 over)")
    widths = [max(map(len, column)) for column in zip(table.head, *table.rows, strict=True)]
    for number, row in enumerate((table.head, *table.rows)):
        first, *numbers, last = row
        cells = [f"{cell:>{width}}" for cell, width in zip(numbers, widths[1:-1], strict=True)]
        line = f"    {first:<{widths[0]}}  {'  '.join(cells)}  {last}".rstrip()
        yield paint("dim", line) if number == 0 else line
