# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines of a log as the parsers get them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from keepsane.kernel.log.records import records_of
from keepsane.model import LogRecord


def records(lines: Iterable[str]) -> Iterator[LogRecord]:
    """Yield the records of lines numbered from 1."""
    for number, text in enumerate(lines, 1):
        yield from records_of(number, text)
