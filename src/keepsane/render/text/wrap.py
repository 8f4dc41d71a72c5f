# SPDX-License-Identifier: GPL-2.0-or-later
"""Fill text to a width, tones and all: what is quoted keeps every blank that no line ends at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from keepsane.render.elements import Run
from keepsane.render.text.paint import Paint, link


def spans(text: str, first: int, rest: int) -> Iterator[tuple[int, int]]:
    """
    Cut a text into lines of at most `first` and then `rest` characters; give where each begins and ends.

    It is cut at blanks only: a longer word, such as a path, has a line of its own and stands out.
    """
    start, width = 0, first
    while len(text) - start > width:
        end = text.rfind(" ", start + 1, start + width + 1)
        if end < 0 or not text[start:end].strip():
            end = text.find(" ", start + max(width, 1))
        end = _behind_long_word(text, end, rest)
        if end < 0:
            break
        yield start, end
        start, width = _next_word(text, end), rest
    yield start, len(text)


def _behind_long_word(text: str, end: int, width: int) -> int:
    """Keep a word on its line that is too long for the next one too; -1 where the text ends with it."""
    if end < 0:
        return end
    word_end = text.find(" ", end + 1)
    length = (len(text) if word_end < 0 else word_end) - end - 1
    return word_end if length > width else end


def _next_word(text: str, at: int) -> int:
    while at < len(text) and text[at] == " ":
        at += 1
    return at


def filled(runs: Iterable[Run], first: str, rest: str | None, columns: int, paint: Paint) -> Iterator[str]:
    """Write runs after `first` and, on further lines, after `rest` (as many blanks), in their tones."""
    said = tuple(run for run in runs if run.text)
    rest = " " * len(first) if rest is None else rest
    text = "".join(run.text for run in said)
    lead = first
    for start, end in spans(text, columns - len(first), columns - len(rest)):
        if start < end or lead is first:
            yield (lead + "".join(_slices(said, start, end, paint))).rstrip(" ")
        lead = rest


def _slices(runs: tuple[Run, ...], start: int, end: int, paint: Paint) -> Iterator[str]:
    """Give what lies between two places of the runs' common text, each run in its tone."""
    at = 0
    for run in runs:
        part = run.text[max(start - at, 0) : max(end - at, 0)]
        if part.strip(" ") or (part and not run.tone):
            yield link(paint, part, run.path) if run.path else paint(run.tone, part)
        elif part:
            yield part
        at += len(run.text)
