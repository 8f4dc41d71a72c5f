# SPDX-License-Identifier: GPL-2.0-or-later
"""
The shape of what stands before the kernel's words, learnt from lines that hold words only a kernel says.

    Jul 27 14:08:04 host kernel: [26813.123456] Call Trace:
    W   D  D :D :D  W    W     : [D    .D     ]

Digits may be others in the next line, and spaces more or fewer. Words may be others too in a shape with two
numbers or more, since no line of the kernel's own begins so; else they are the learnt ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_FRONT_CHARACTERS = 300
"""So far from a line's beginning the kernel's words may stand."""

_TOKEN = re.compile(r"(?P<D>\d{1,300})|(?P<W>[^\W\d_]{1,300})|(?P<S>\s{1,300})|(?P<P>.)", re.DOTALL)
_SURE_NUMBERS = 2

_SECONDS = re.compile(r"(?<![\d:.T,+-])(?P<seconds>\d{1,11}\.\d{2,9})(?= ?[\]<)])")
_CALLER = re.compile(r"\[ {0,16}(?P<caller>[TC]\d{1,20}) ?\]")
_LEVEL = re.compile(r"<(?P<level>\d{1,3})>")
LEVELS = "emerg|alert|crit|err|warn|notice|info|debug"
"""The names of printk's levels from 0 on, as syslog has them."""
_NAMED_LEVEL = re.compile(rf"\bkern ?\s{{0,4}}[.:]\s{{0,4}}(?P<level>{LEVELS})\w{{0,4}}\b")
_KMSG = re.compile(
    r"(?P<level>\d{1,4}),\d{1,20},(?P<microseconds>\d{1,18}),[-cC+](?:,caller=(?P<caller>[TC]\d{1,20}))?[^;]{0,80};"
)


class Token(NamedTuple):
    """Digits `D`, a word `W` or one other letter, and where it ends."""

    kind: str
    text: str
    end: int


class Shape(NamedTuple):
    """What a learnt front consists of; `spaces` stand between it and the kernel's words."""

    kinds: tuple[str, ...]
    words: tuple[frozenset[str], ...]
    spaces: int

    @property
    def has_number(self) -> bool:
        """Say whether there is any number."""
        return "D" in self.kinds

    @property
    def is_sure(self) -> bool:
        """Say whether there are so many numbers that no line of the kernel's own begins so."""
        return self.kinds.count("D") >= _SURE_NUMBERS


def tokens(text: str) -> Iterator[Token]:
    """Cut the front of a line into tokens, without the spaces."""
    for found in _TOKEN.finditer(text, 0, MAX_FRONT_CHARACTERS):
        kind = found.lastgroup or "P"
        if kind != "S":
            yield Token(found[0] if kind == "P" else kind, found[0], found.end())


def shape_of(front: str) -> Shape:
    """Learn the shape of one front."""
    found = tuple(tokens(front))
    words = tuple(frozenset((token.text,)) for token in found if token.kind == "W")
    return Shape(tuple(token.kind for token in found), words, len(front) - len(front.rstrip()))


def merged(one: Shape, other: Shape) -> Shape:
    """Learn from two fronts of the same kinds of tokens."""
    words = tuple(mine | others for mine, others in zip(one.words, other.words, strict=True))
    return Shape(one.kinds, words, min(one.spaces, other.spaces))


def end_of(shape: Shape, text: str) -> int | None:
    """Give where a front of this shape ends in a line; None where the line has no such front."""
    word, end = 0, 0
    found = tokens(text)
    for kind in shape.kinds:
        token = next(found, None)
        if token is None or token.kind != kind:
            return None
        if kind == "W":
            if not shape.is_sure and token.text not in shape.words[word]:
                return None
            word += 1
        end = token.end
    spaces = text[end : end + shape.spaces]
    return end + len(spaces) - len(spaces.lstrip())


def as_printk(front: str) -> str:
    """Write what a front tells, level, seconds and caller, as printk writes it; "" where it tells nothing."""
    kmsg = _KMSG.match(front.lstrip())
    if kmsg is not None:
        caller = f"[{kmsg['caller']}]" if kmsg["caller"] else ""
        return f"<{int(kmsg['level']) & 7}>[{int(kmsg['microseconds']) / 1e6:.6f}]{caller} "
    level, context = _LEVEL.search(front), _CALLER.search(front)
    named = None if level else _NAMED_LEVEL.search(front)
    number = level["level"] if level else str(LEVELS.split("|").index(named["level"])) if named else ""
    seconds = [found["seconds"] for found in _SECONDS.finditer(front)]
    said = f"<{number}>" if number else ""
    if seconds:
        said += f"[{float(seconds[-1]):.6f}]" + (f"[{context['caller']}]" if context else "") + " "
    return said
