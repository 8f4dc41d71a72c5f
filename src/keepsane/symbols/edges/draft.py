# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of a call while it is judged, before its source lines are looked up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from keepsane.model import HopKind, Verdict
from keepsane.symbols.calls.calls import Branch
from keepsane.symbols.calls.graph import Graph, Hop
from keepsane.symbols.calls.tables import Holder, Tables, open_tables
from keepsane.symbols.code.text import Function, Place, Text

SHOWN = 3
"""The most tables or ways that the words name, of several possible ones."""
LISTED = 16
"""The most of them that are hops of the edge."""


class DraftHop(NamedTuple):
    """
    A hop whose source line is that of the instruction `at`, None for none.

    `holder` is the place of data that a hop of the kind "table" or "possible table" speaks of.
    """

    kind: HopKind
    function: str | None
    name: str | None
    at: Place | None
    holder: Holder | None = None


class Draft(NamedTuple):
    """
    An edge without its source lines.

    `call` is where the call it speaks of stands, `branch` that call, None where there is none; `group` names
    the earlier path that a leftover is a part of, the same words for all of its frames, and is "" where it
    stands alone. `through` says what a call that could have read several tables went through, `form` as what
    it ran where not as in the file.
    """

    verdict: Verdict
    via: tuple[DraftHop, ...]
    why: str
    call: Place | None = None
    group: str = ""
    through: str = ""
    form: str = ""
    branch: Branch | None = None


@dataclass(slots=True)
class Reader:
    """What was read of the images so far."""

    text: Text
    graph: Graph
    tables: Tables
    judged: dict[tuple[Function, int, Function | None], Draft | None] = field(default_factory=dict)


def open_reader(text: Text) -> Reader:
    """Prepare to judge calls in these images."""
    return Reader(text, Graph(text), open_tables(text))


def hops_of(kind: HopKind, start: Function, chain: Sequence[Hop], at: Place) -> tuple[DraftHop, ...]:
    """Give the call and each jump; the trampoline of a static call is no hop, what it leads to is."""
    hops: list[DraftHop] = []
    trampoline: DraftHop | None = None
    for hop in (DraftHop(kind, start.name, None, at), *steps_of(chain)):
        if (hop.function or "").startswith("__SCT__"):
            trampoline = hop
        elif trampoline is not None:
            name = (trampoline.function or "").removeprefix("__SCT__")
            hops.append(DraftHop("static call", hop.function, name, trampoline.at))
            trampoline = None
        else:
            hops.append(hop)
    # A frame may be the trampoline itself: an interrupt came while its one jump was executed.
    return (*hops, trampoline) if trampoline is not None else tuple(hops)


def steps_of(chain: Sequence[Hop]) -> tuple[DraftHop, ...]:
    """Give each jump of a chain."""
    return tuple(
        DraftHop("static call" if hop.is_to_trampoline else hop.kind, hop.callee.name, None, hop.place)
        for hop in chain
    )


def of_words(possible: Sequence[Holder]) -> str:
    """Name some of several tables, and how many more there are."""
    return any_of([table.name for table in possible])


def any_of(names: Sequence[str]) -> str:
    """Say some of several names, and how many more there are: `a, b, c or 2 more`."""
    more = len(names) - SHOWN
    return _joined([*names[:SHOWN], f"{more} more"] if more > 0 else names, "or") + not_listed(len(names))


def all_of(names: Sequence[str]) -> str:
    """Say several names: `a, b and c`."""
    return _joined(names, "and")


def not_listed(count: int) -> str:
    """Say of how many candidates the edge has no hop, "" where it has all."""
    return f" ({count - LISTED} of them are not listed)" if count > LISTED else ""


def _joined(names: Sequence[str], word: str) -> str:
    *before, last = names
    return f"{', '.join(before)} {word} {last}" if before else last
