# SPDX-License-Identifier: GPL-2.0-or-later
"""Several consoles in one log print each line as often: all but the first of equal lines say nothing new."""

from __future__ import annotations

from keepsane.kernel.log.records import record


class Doubles:
    """
    Remembers the line before.

    A recursion prints equal frames too, on a machine with a slow clock with equal timestamps. So how often
    each line comes is learnt from one with a word of the kernel's, and holds as long as the next keep to it.
    """

    def __init__(self) -> None:
        """Know no repetition yet."""
        self._last = ""
        self._run = 1
        self._fold = 0
        self._learns = False

    def has(self, text: str, *, gated: bool) -> bool:
        """Tell whether a line only repeats the one before, as every line here does."""
        if text != self._last:
            self._ended()
            self._last = text
            return False
        self._run += 1
        self._learns = self._learns or (not self._fold and gated and _is_timed(text))
        return self._learns or (self._fold > 0 and self._run % self._fold != 1)

    def _ended(self) -> None:
        """Another line comes: the last one came as often as all do, or they do not."""
        if self._learns:
            self._fold = self._run
        elif self._fold and self._run % self._fold:
            self._fold = 0
        self._run, self._learns = 1, False


def _is_timed(text: str) -> bool:
    return record(0, text).seconds is not None
