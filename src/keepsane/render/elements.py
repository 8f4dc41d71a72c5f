# SPDX-License-Identifier: GPL-2.0-or-later
"""
A page as a tree of elements, which knows neither text nor HTML: it is built once, and every writer writes it.

A writer has a form for each kind of line and list; `more` is what only those writers give that can fold it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal, NamedTuple

from keepsane.model import Frame

Tone = Literal["", "title", "error", "warning", "good", "function", "place", "source", "dim"]
HeadKind = Literal["file", "event", "finding", "account", "where", "stack", "leftover", "code", "also"]
"""What a section is; `leftover` are frames of one earlier path, `also` a finding whose title is enough."""
ListKind = Literal["loose", "failures", "verified", "list"]
LineKind = Literal[
    "alarm",
    "absent",
    "explanation",
    "quote",
    "advice",
    "reference",
    "instruction",
    "edge",
    "left-out",
    "outer",
    "folded-away",
]
"""
What a line is; an `alarm` is what contradicts the log, `absent` what could not be compared with it.

`left-out` names what a short text leaves out, `outer` the frames beyond those of a stack.
"""
Kind = HeadKind | ListKind | LineKind | Literal["failure", "unread", "more"]
FactsKind = Literal[
    "boots", "notes", "compared", "event", "machine", "steps", "counters", "because", "folded", "more"
]


class Run(NamedTuple):
    """Words in one tone; `path` is the local file that they lead to."""

    text: str
    tone: Tone = ""
    path: str = ""


class Line(NamedTuple):
    """A line or a paragraph."""

    kind: Kind
    runs: tuple[Run, ...]


class Fact(NamedTuple):
    """A name and what is said under it; a line feed in `text` begins a new line."""

    name: str
    text: str
    tone: Tone = ""


class Facts(NamedTuple):
    """A list of names and what they say."""

    kind: FactsKind
    rows: tuple[Fact, ...]


class Table(NamedTuple):
    """Rows of cells under their heads; the first and the last column are words, the others numbers."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Piece(NamedTuple):
    """One part of a whole: its size as a number and in words, and what there is to say about it."""

    name: str
    size: int
    said: str
    note: str = ""


class Pieces(NamedTuple):
    """The parts of a whole, to be drawn; `pictured` where another element has the same in words."""

    parts: tuple[Piece, ...]
    pictured: bool = False


class Source(NamedTuple):
    """Numbered lines of a source file about line `here`, and the words that say where they were read."""

    lines: tuple[tuple[int, str], ...]
    here: int
    caption: str


class Level(NamedTuple):
    """One function of an inline chain, its place, what there is to say about it, and its source."""

    name: str
    place: Run
    remark: str
    source: Source | None


@dataclass(frozen=True, slots=True)
class Entry:
    """
    A frame: its inline chain, innermost first, and how its caller got there.

    `frame` is what the log has, None where a tail call removed it; marked "lr" it stood in a register.
    `reason` is what is not evident of its edge. `repeated`: it was just written as the frame that was
    executing. `opened`: begin with it unfolded.
    """

    frame: Frame | None
    mark: Literal["", "ip", "lr", "?", "+"]
    levels: tuple[Level, ...]
    reason: str = ""
    repeated: bool = False
    opened: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """
    Parts under a head; `folded` where that is enough.

    Of an event, `line` is where the log has it, `widest` the longest name of a frame whose place is known.
    """

    head: Line
    parts: tuple[Part, ...] = ()
    folded: bool = False
    line: int = 0
    widest: int = 0


Part = Line | Facts | Table | Pieces | Source | Entry | Section


class Page(NamedTuple):
    """
    A whole page; `about` stands beside its title, `before` and `after` around its events.

    Events are taken once: a log may have thousands. `whole` of them are given with all that is known, and
    `folded` says what became of the others.
    """

    title: str
    about: str
    before: tuple[Part, ...]
    events: Iterator[Section] = iter(())
    after: tuple[Part, ...] = ()
    whole: int = 0
    folded: tuple[Line, ...] = ()

    @property
    def parts(self) -> Iterator[Part]:
        """Give all of it, in order."""
        return chain(self.before, self.events, self.after)


def line(kind: Kind, text: str, tone: Tone = "") -> Line:
    """Give a line in one tone."""
    return Line(kind, (Run(text, tone),))


def section(kind: Kind, title: str, tone: Tone, *parts: Part) -> Section:
    """Give parts under a title."""
    return Section(line(kind, title, tone), parts)


def facts(kind: FactsKind, *rows: tuple[str, str | None], tone: Tone = "") -> Iterator[Facts]:
    """Give a list of those rows that say something; nothing where none does."""
    said = tuple(Fact(name, text, tone) for name, text in rows if text)
    if said:
        yield Facts(kind, said)
