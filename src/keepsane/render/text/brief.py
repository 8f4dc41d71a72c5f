# SPDX-License-Identifier: GPL-2.0-or-later
"""
An event in as many lines as there is room for: what is least useful goes first, and what went is named.

Title, task, causes, evidence and what to do stay, and of every stack the innermost frames.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from sys import maxsize

from keepsane.render.elements import Line, Section, line
from keepsane.render.text import cuts
from keepsane.render.text.cuts import Cut, Gone, at_most, rows_of, sizes_of
from keepsane.render.text.paint import plain
from keepsane.render.text.writer import Writer
from keepsane.words import counted

ROOM = 48
"""Lines of a text about one crash, all in all."""
LEAST_OF_STACK = 3
Step = Callable[[Section, Writer], Cut]
STEPS: tuple[tuple[int, Step], ...] = (
    (maxsize, cuts.modules),
    (maxsize, cuts.unsure_frames),
    (maxsize, cuts.registers),
    (maxsize, cuts.reporting_frames),
    (maxsize, cuts.far_instructions),
    (maxsize, cuts.code_bytes),
    (maxsize, cuts.references),
    (12, cuts.ends_of_quotes),
    (12, cuts.small_shares),
    (12, cuts.accounts),
    (8, partial(cuts.further_quotes, most=3)),
    (8, partial(cuts.further_stacks, most=3)),
    (8, partial(cuts.further_findings, most=3)),
    (6, cuts.risks),
    (6, partial(cuts.further_quotes, most=2)),
    (6, partial(cuts.further_findings, most=2)),
    (LEAST_OF_STACK, partial(cuts.further_quotes, most=1)),
    (LEAST_OF_STACK, cuts.code),
    (LEAST_OF_STACK, cuts.long_facts),
    (LEAST_OF_STACK, partial(cuts.further_findings, most=1)),
    (LEAST_OF_STACK, partial(cuts.further_stacks, most=1)),
)
"""What to leave out, the least useful first, each with the lines that every stack must have, else it goes."""


def shortened(event: Section, writer: Writer, room: int) -> Section:
    """Give an event in `room` lines, as far as that can be done; stacks take what the rest leaves."""
    bare, gone = replace(writer, paint=plain, names=event.widest), Counter[Gone]()
    whole, traced = rows_of((event,), bare), not cuts.is_about_memory(event)
    if whole <= room:
        return event
    for least, step in STEPS:
        # Who asked for memory is told by a few frames; where it went is not.
        if _frames_fit(
            event,
            bare,
            room - _said_rows(gone, bare),
            least if traced or least == maxsize else LEAST_OF_STACK,
        ):
            break
        event = _without(step(event, bare), gone)
    event = _without(cuts.outer_frames(event, bare, _most(event, bare, room - _said_rows(gone, bare))), gone)
    return replace(event, parts=(*event.parts, *_said(gone, whole - rows_of((event,), bare))))


def _without(cut: Cut, gone: Counter[Gone]) -> Section:
    if cut.gone.number:
        gone[cut.gone._replace(number=0)] += cut.gone.number
    return cut.event


def _frames_fit(event: Section, writer: Writer, room: int, least: int) -> bool:
    """Tell whether there is room if no stack has more than `least` lines."""
    sizes = sizes_of(event, writer)
    return rows_of((event,), writer) - sum(sizes) + at_most(sizes, least) <= room


def _most(event: Section, writer: Writer, room: int) -> int:
    """Give how many lines a stack may have."""
    sizes = sizes_of(event, writer)
    rest = rows_of((event,), writer) - sum(sizes)
    if rest + sum(sizes) <= room:
        return maxsize
    least, beyond = LEAST_OF_STACK, max(sizes, default=0)
    while beyond - least > 1:
        middle = (least + beyond) // 2
        least, beyond = (middle, beyond) if rest + at_most(sizes, middle) < room else (least, middle)
    return least


def _said_rows(gone: Counter[Gone], writer: Writer) -> int:
    """Count the lines that will say what is gone, outer frames too where there may be such."""
    return rows_of(_said(gone | Counter({cuts.OUTER: 999}), 9999), writer)


def _said(gone: Counter[Gone], rows: int) -> Iterator[Line]:
    if gone:
        words = ", ".join(names._replace(number=count).words() for names, count in gone.items())
        yield line("left-out", f"{counted(rows, 'more line')} with --all: {words}", "dim")
