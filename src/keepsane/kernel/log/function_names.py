# SPDX-License-Identifier: GPL-2.0-or-later
"""
Sets of function names that are written as patterns.

A word is a function's name without its clone suffix and without underscores in front; `name*` is any name
that begins so, `*part*` any that contains it, `(a|b)` stands for either, `(a|b)?` for either or none.
The stars are for the kernel's own families: a module's `kmalloc_widget` is none of them (`Own`).
"""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from itertools import product
from typing import NamedTuple

_MOST_REMEMBERED = 4096
_CHOICE = re.compile(r"\(([^)]{0,400})\)(\??)")


class Own(str):
    """A function's name that no star stands for: of a module, or one that a headline accuses."""

    __slots__ = ()


class _Words(NamedTuple):
    """What the words of a set come to: whole names, families' own words too, beginnings and parts."""

    exact: frozenset[str]
    own: frozenset[str]
    begins: tuple[str, ...]
    parts: tuple[str, ...]


class Names:
    """A set of function names; `name in names` is what everybody asks."""

    def __init__(self, *groups: str, modules: bool = False) -> None:
        """Take groups of blank-separated words; `modules` says that a star holds a module's function too."""
        self._patterns = groups
        self._modules = modules
        # A log names the same functions again and again.
        self._asked = lru_cache(_MOST_REMEMBERED)(self._holds)

    def __contains__(self, function: str) -> bool:
        """Tell whether a function is one of these."""
        if isinstance(function, Own) and not self._modules:
            return function.lstrip("_") in self._words.own
        return self._asked(function)

    @cached_property
    def _words(self) -> _Words:
        """Spell the patterns out when a function is first asked for: most reports need only a few sets."""
        words = [word for pattern in " ".join(self._patterns).split() for word in _spelled_out(pattern)]
        exact = frozenset(word for word in words if "*" not in word)
        return _Words(
            exact=exact,
            # A family's own word is a function, too: `memcpy*`.
            own=exact | {word[:-1] for word in words if word.count("*") == 1},
            begins=tuple(word[:-1] for word in words if word.endswith("*") and not word.startswith("*")),
            parts=tuple(word.strip("*") for word in words if word.startswith("*")),
        )

    def _holds(self, function: str) -> bool:
        name, words = function.lstrip("_"), self._words
        if name in words.exact or name.startswith(words.begins):
            return True
        return any(part in name for part in words.parts)


def _spelled_out(pattern: str) -> list[str]:
    """Give every word that a pattern with choices stands for."""
    pieces: list[list[str]] = []
    end = 0
    for choice in _CHOICE.finditer(pattern):
        pieces += [[pattern[end : choice.start()]], choice[1].split("|") + ([""] if choice[2] else [])]
        end = choice.end()
    return ["".join(parts) for parts in product(*pieces, [pattern[end:]])]
