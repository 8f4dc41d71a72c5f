# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which of many literals a line holds, asked in one pass: of a boot log's lines nearly all hold none.

Every literal loses its front up to its rarest letter, so that few places of a line are tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_COMMON = "zqjwkhyvg_ubp-cdtlmsox:].[rnifae 9876543210"
"""Letters of kernel logs from rare to common; capitals and what else is not here are rarer."""
_LEAST_KEPT = 4


class Gate:
    """A set of literals; `search` finds a place where one may stand, `held` says which do stand in a text."""

    def __init__(self, literals: Iterable[str]) -> None:
        """Take the literals; none may be empty."""
        ends = {literal: _telling(literal) for literal in literals}
        pattern = re.compile(_branches(ends.values()))
        self.search = pattern.search
        # Where "BUG" is found, "BUG: KASAN" may stand as well.
        self._after: dict[str, list[str]] = {}
        for literal, end in ends.items():
            self._after.setdefault(pattern.findall(end)[0], []).append(literal)

    def held(self, text: str) -> frozenset[str]:
        """Give the literals that stand in a text."""
        literals: set[str] = set()
        found = self.search(text)
        while found is not None:
            literals.update(self._after[found[0]])
            found = self.search(text, found.start() + 1)
        return frozenset(literal for literal in literals if literal in text)


def _branches(words: Iterable[str]) -> str:
    """Write words as one pattern, those that begin alike together: side by side they are slower."""
    by_letter: dict[str, list[str]] = {}
    for word in words:
        by_letter.setdefault(word[:1], []).append(word[1:])
    if "" in by_letter:
        return ""
    branches = [re.escape(letter) + _branches(rest) for letter, rest in sorted(by_letter.items())]
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


def _telling(literal: str) -> str:
    """Cut a literal's front off up to its rarest letter."""
    starts = range(max(1, len(literal) - _LEAST_KEPT + 1))
    return literal[min(starts, key=lambda start: _COMMON.find(literal[start])) :]
