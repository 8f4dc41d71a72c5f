# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a text that reports nothing is a kernel's log at all, and which of its lines look like a report."""

from __future__ import annotations

from keepsane.kernel.log.dress.anchors import ANCHOR
from keepsane.kernel.log.dress.shape import MAX_FRONT_CHARACTERS
from keepsane.kernel.log.records import record
from keepsane.words import counted

MAX_LOOKED_AT = 10_000
"""The first lines show what a text is; a scanner looks at no more."""
_MOST_NAMED = 3


class Recognised:
    """Counts the lines that look like a kernel's, and remembers those that look like a report."""

    def __init__(self) -> None:
        """Nothing was looked at yet."""
        self._lines = self._kernel_lines = self._like_reports = 0
        self._named: list[int] = []

    def look(self, text: str, *, gated: bool) -> None:
        """Look at a line; `gated` where it has a word of the kernel's."""
        self._lines += 1
        self._kernel_lines += gated or record(0, text).text != text

    def doubt(self, line: int, text: str) -> None:
        """Remember a line that has a word of the kernel's and belongs to no report."""
        if ANCHOR.search(text, 0, MAX_FRONT_CHARACTERS):
            self._like_reports += 1
            self._named += [line] if len(self._named) < _MOST_NAMED else []

    def notes(self) -> tuple[str, ...]:
        """Say what a reader must know who is told that nothing was found."""
        if not self._lines:
            return ("the log is empty",)
        of = f"{'the first ' if self._lines == MAX_LOOKED_AT else ''}{counted(self._lines, 'line')}"
        looks = "look" if self._kernel_lines > 1 else "looks"
        said = f"{self._kernel_lines or 'none'} of {of} {looks} like a kernel log"
        few = self._kernel_lines * 2 < self._lines
        named = ", ".join(map(str, self._named))
        more = ", ..." if self._like_reports > len(self._named) else ""
        like = f"these look like a report, and none could be read: line {named}{more}"
        return (*([said] if few else []), *([like] if named else []))
