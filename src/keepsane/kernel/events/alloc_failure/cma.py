# SPDX-License-Identifier: GPL-2.0-or-later
"""
An area of the contiguous memory allocator that could not serve a request.

    cma: cma_alloc: reserved: alloc failed, req-size: 148 pages, ret: -16
    cma: number of available pages: 3@125+20@172+12@236=> 35 free of 81920 total pages

-16 (EBUSY): the pages were not in use by the area but could not be emptied; -12 (ENOMEM): no run was
long enough.
Source: mm/cma.c, cma_alloc() (later __cma_alloc()) and cma_debug_show_areas().
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from keepsane.kernel.events.show_mem.lines import plain_line
from keepsane.kernel.log.groups import read
from keepsane.model import LogRecord

CMA = re.compile(
    r"cma: (?:cma_alloc|__cma_alloc)(?:\(\))?: (?:(?P<area>[\w,.@-]{1,64}): )?alloc failed, req-size: "
    r"(?P<requested_pages>\d{1,10}) pages(?:, ret: (?P<error>-?\d{1,4}))?"
)
_AVAILABLE = "number of available pages:"
_RUN = re.compile(r"(\d{1,10})@\d{1,10}")
_SUM = re.compile(r"=>\s{0,8}(?P<free_pages>\d{1,10}) free of (?P<total_pages>\d{1,10}) total pages")
_LIST_LINE = re.compile(r"[\d@+]{3,}(?:=>|\s*+$)|=>|\d{1,10} free of")
MAX_LIST_LINES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class CmaRequest:
    """
    What was asked of an area and what it had; counts are in pages, None where the log does not say it.

    `error` is the negative errno. `longest_run_pages` is the longest run the area's bitmap shows as free.
    """

    area: str | None = None
    requested_pages: int
    error: int | None = None
    free_pages: int | None = None
    total_pages: int | None = None
    longest_run_pages: int | None = None


def parse_cma_request(head: re.Match[str], records: Iterable[LogRecord]) -> CmaRequest:
    """
    Read a refused request: the match of `CMA` and the lines of its block.

    Accepted format:
        cma: number of available pages: 3@125+20@172+12@236=> 35 free of 81920 total pages
    """
    text = _available(records)
    total = _SUM.search(text)
    runs = [int(pages) for pages in _RUN.findall(text)]
    return read(CmaRequest, head, total, longest_run_pages=max(runs) if runs and total else None)


def _available(records: Iterable[LogRecord]) -> str:
    """Join the list of free runs, which mail programs fold between any two of them."""
    parts: list[str] = []
    for record in records:
        text = plain_line(record.text)
        if not parts and _AVAILABLE in text:
            parts.append(text.partition(_AVAILABLE)[2])
        elif parts and len(parts) < MAX_LIST_LINES and " free of" not in parts[-1] and _LIST_LINE.match(text):
            parts.append(text)
    return "".join(parts)
