# SPDX-License-Identifier: GPL-2.0-or-later
"""Show on a terminal that long work goes on; a pipe or a file never sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from keepsane.kernel.log.blocks import Passed, Searched

STEP_LINES = 100_000


def shown(log: Searched, out: TextIO) -> Searched:
    """Pass a log on and, where `out` is a terminal, say about every 100,000 lines how many were read."""
    if not out.isatty():
        return log
    progress = _Progress(log, out)
    return Searched(progress.lines(), progress.pass_over)


class _Progress:
    """Counts lines, those that are passed over too."""

    def __init__(self, log: Searched, out: TextIO) -> None:
        self._log, self._out = log, out
        self._read = self._said = 0

    def lines(self) -> Iterator[str]:
        for line in self._log:
            self._count(1)
            yield line
        self._out.write("\r\x1b[K")

    def pass_over(self, kept: int) -> Passed:
        passed = self._log.pass_over(kept)
        self._count(passed.lines)
        return passed

    def _count(self, lines: int) -> None:
        self._read += lines
        if self._read >= self._said + STEP_LINES:
            self._said = self._read - self._read % STEP_LINES
            self._out.write(f"\rread {self._said:,} lines")
            self._out.flush()
