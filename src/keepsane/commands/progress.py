# SPDX-License-Identifier: GPL-2.0-or-later
"""Show on a terminal that long work goes on; a pipe or a file never sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

STEP_LINES = 100_000


def counted(lines: Iterator[str], out: TextIO) -> Iterator[str]:
    """Pass lines on and, where `out` is a terminal, say every 100,000 how many were read."""
    if not out.isatty():
        yield from lines
        return
    for number, line in enumerate(lines, 1):
        if number % STEP_LINES == 0:
            out.write(f"\rread {number:,} lines")
            out.flush()
        yield line
    out.write("\r\x1b[K")
