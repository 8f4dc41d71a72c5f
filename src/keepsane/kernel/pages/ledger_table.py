# SPDX-License-Identifier: GPL-2.0-or-later
"""
The account of a failed allocation as a table: a row for each zone, a column for each thing taken off.

    zone            free  lowmem_reserve  watermark   over
    Node 0 DMA       196            -188        -13     -5  lowmem-reserve
    Node 0 DMA32       1                       -159   -158  short
"""

from __future__ import annotations

from typing import NamedTuple

from keepsane.kernel.pages.failed_request import FailedRequest
from keepsane.kernel.pages.ledger import Ledger
from keepsane.kernel.pages.watermark import ZoneLedger
from keepsane.kernel.pages.zone import zone_name

_COLUMNS = ("free", "block", "unaccepted", "cma", "highatomic", "lowmem_reserve", "watermark")
_TITLES = {"cma": "CMA"}


class Table(NamedTuple):
    """Rows of cells under their heads; the first and the last column are words, the others numbers."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def ledger_table(ledger: Ledger) -> Table | None:
    """Give the account as a table, None where no zone was printed."""
    if not ledger.zones:
        return None
    used = [name for name in _COLUMNS if any(_pages(zone, name) for zone in ledger.zones) or name == "free"]
    head = ("zone", *(_TITLES.get(name, name) for name in used), "over", "")
    return Table(head, tuple(_row(zone, used) for zone in ledger.zones))


def _row(zone: ZoneLedger, used: list[str]) -> tuple[str, ...]:
    cells = [str(zone.zone.free_pages), *(_signed(_pages(zone, name)) for name in used[1:])]
    over = "" if zone.margin_pages is None else str(zone.margin_pages)
    return (zone_name(zone.zone), *cells, over, zone.outcome)


def _pages(zone: ZoneLedger, name: str) -> int:
    return sum(step.pages for step in zone.steps if step.name == name)


def _signed(pages: int) -> str:
    return str(pages) if pages else ""


def loss_words(event: FailedRequest, ledger: Ledger) -> str:
    """Say in a sentence where the free memory went that the request could not use."""
    if not ledger.zones or not ledger.free_pages:
        return ""
    lost = [f"{event.size_of(loss.pages)} {_REASONS[loss.reason]}" for loss in ledger.losses if loss.pages]
    usable = event.size_of(ledger.usable_total_pages) if ledger.usable_total_pages > 0 else "none of it"
    said = f"{event.size_of(ledger.free_pages)} free, and this request could use {usable}"
    return said + (f": {', '.join(lost)}" if lost else "")


_REASONS = {
    "other nodes": "lie on other nodes",
    "zones above reach": "lie in zones above its reach",
    "CMA": "are CMA",
    "highatomic": "are held for atomic blocks",
    "lowmem_reserve": "are kept for requests for low memory (lowmem_reserve)",
    "watermark": "are below the watermark",
    "blocks too small": "lie in blocks too small",
    "unaccepted": "are not yet accepted from the hypervisor",
    "not known": "cannot be judged",
}


def losses_words(ledger: Ledger) -> tuple[tuple[str, int], ...]:
    """Give the parts of the free memory in pages: what could be used first, then what kept the rest away."""
    usable = max(ledger.usable_total_pages, 0)
    first = (("could be used", usable),) if usable else ()
    return (*first, *((_REASONS[loss.reason], loss.pages) for loss in ledger.losses if loss.pages > 0))
