# SPDX-License-Identifier: GPL-2.0-or-later
"""Two consoles in one log print each line twice: the second of each pair says nothing new."""

from __future__ import annotations

from keepsane.kernel.log.records import record


class Doubles:
    """
    Remembers the line before.

    A recursion prints equal frames too, on a machine with a slow clock with equal timestamps. So pairs count
    only from one with a word of the kernel's on, and as long as each line has its twin.
    """

    def __init__(self) -> None:
        """Know no pair yet."""
        self._last = ""
        self._in_pair = False
        self._pairs = 0

    def has(self, text: str, *, gated: bool) -> bool:
        """Tell whether a line is the second of a pair."""
        is_same = (
            text == self._last and not self._in_pair and (self._pairs > 0 or (gated and _is_timed(text)))
        )
        if not is_same and not self._in_pair:
            self._pairs = 0
        self._pairs += is_same
        self._last, self._in_pair = text, is_same
        return is_same


def _is_timed(text: str) -> bool:
    return record(0, text).seconds is not None
