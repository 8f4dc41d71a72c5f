# SPDX-License-Identifier: GPL-2.0-or-later
"""
Between a log's lines and its records: takes off what was put around the kernel's own lines.

A line whose dress is known goes through as it comes. Where words of the kernel stand behind something
unknown, or a line may go on in the next, lines are held back until their dress is learnt; what was learnt is
used until lines no longer have it. A log as printk writes it is never held back by more than one line.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from typing import NamedTuple

from keepsane.kernel.log.dress.anchors import ANCHOR
from keepsane.kernel.log.dress.doubles import Doubles
from keepsane.kernel.log.dress.flat import lines_of
from keepsane.kernel.log.dress.fronts import frame_front, may_open, opening_front
from keepsane.kernel.log.dress.json_line import as_text
from keepsane.kernel.log.dress.learn import (
    LEAST_WIDTH,
    WIDTHS,
    Dress,
    bare,
    has_own_front,
    is_dressed,
    learn,
    lengths,
)
from keepsane.kernel.log.dress.letters import escaped_lines
from keepsane.kernel.log.dress.shape import MAX_FRONT_CHARACTERS, as_printk, end_of
from keepsane.kernel.log.kinds import WORDS, find_opening
from keepsane.kernel.log.records import is_of_program, record

WINDOW_LINES = 48
"""The most lines from which a dress is learnt."""
RECENT_LINES = 24
"""The most lines around a word of the kernel's that may show that it is dressed."""
MAX_BARE_LINES = 200
"""A dress is forgotten after this number of lines in a row that do not have it."""

_BARE = Dress()
_ADDED = re.compile(r"[.<(\[]|c\d")
"""How what the vendors of phones add to printk's front begins: the processor, the task."""
_STAMP = re.compile(r"(?:<\d{1,3}>)?\[ {0,6}\d{1,10}\.\d{6} ?\]")

Line = tuple[int, str]
"""The number of a line and its text; several messages of one line have the same number."""


class _Cut(NamedTuple):
    """A line that may go on in the next: what there is of it, and its last piece."""

    line: int
    text: str
    last: str


class Stage:
    """
    Takes lines and gives those that a record can be made of; `finish` gives the rest.

    `recent` are lines without a word of the kernel's that were passed over: one may be the first half of a
    line that has some. `recalled_lines` counts those of them that were given nevertheless.
    """

    def __init__(self) -> None:
        """Know no dress yet."""
        self._dress = _BARE
        self._window: list[Line] = []
        self._wanted_lines = 0
        self.recent: deque[Line] = deque(maxlen=RECENT_LINES)
        self._held: tuple[Line, ...] = ()
        self._cut: _Cut | None = None
        self._widest = LEAST_WIDTH
        self._bare_lines = 0
        self._doubles = Doubles()
        self.recalled_lines = 0

    @property
    def busy(self) -> bool:
        """Tell whether lines are held back, or have to be undressed."""
        return self._dress is not _BARE or bool(self._window) or bool(self._held)

    def read(self, line: int, text: str, *, gated: bool) -> Iterable[Line]:
        """Take a line, `gated` where it has a word of the kernel's, and give those that are ready."""
        text, *further = escaped_lines(as_text(text))
        pieces = split_glued(line, text)
        if further:
            pieces = (*pieces, *((line, piece) for piece in further))
        if len(pieces) > 1:
            return chain.from_iterable([tuple(self.read(*piece, gated=gated)) for piece in pieces])
        if self._doubles.has(text, gated=gated):
            return ()
        if self._window:
            self._window.append((line, text))
            return self._wait(bare(text))
        if self._dress is _BARE:
            return self._watch(line, text, gated=gated)
        if self._bare_lines <= MAX_BARE_LINES and not self._is_of_another(text, gated=gated):
            return self._undress(line, text)
        return chain(self._take_off(), self._watch(line, text, gated=gated))

    def finish(self) -> Iterator[Line]:
        """Give what was held back."""
        yield from self._given(self._held)
        yield from self._release()
        yield from self._take_off()

    def _watch(self, line: int, text: str, *, gated: bool) -> Iterable[Line]:
        """Let a line through whose dress is known; hold one back that may go on in the next."""
        known = bare(text)
        found = record(0, known)
        is_known = has_own_front(found, known)
        lines = (*self._held, (line, text))
        if self._held and not is_known and known.strip() and not is_of_program(known):
            return self._hold(lines, WINDOW_LINES)
        if _is_strange(found.text) or frame_front(known) or _has_cut((*self.recent, (line, text))):
            return self._hold(lines, WINDOW_LINES)
        if gated and not (
            ANCHOR.match(known) or (_is_plain(found.text, known) if is_known else _is_talk(known))
        ):
            return self._hold(lines, RECENT_LINES)
        if not is_known or (len(text) < self._widest and WIDTHS.isdisjoint(lengths(text))):
            return self._given(lines)
        given = self._given(self._held) if self._held else ()
        self._widest = max(self._widest, len(text))
        self._held = ((line, text),)
        return given

    def _given(self, lines: Iterable[Line]) -> Iterator[Line]:
        self.recent.clear()
        self._held = ()
        return chain.from_iterable([split_glued(line, bare(text)) for line, text in lines])

    def _hold(self, lines: Iterable[Line], wanted_lines: int) -> Iterable[Line]:
        """Begin a window, with what was passed over before it."""
        self.recalled_lines += len(self.recent)
        self._window, self._wanted_lines = [*self.recent, *lines], len(self.recent) + wanted_lines
        self.recent.clear()
        self._held = ()
        return ()

    def _wait(self, known: str) -> Iterable[Line]:
        """Release the window where it has the lines it needs, or a line of the kernel's that has no dress."""
        said = record(0, known).text
        if self._wanted_lines < WINDOW_LINES and _is_strange(said):
            self._wanted_lines = WINDOW_LINES
        elif self._wanted_lines < WINDOW_LINES and ANCHOR.match(said):
            return self._release()
        return self._release() if len(self._window) >= self._wanted_lines else ()

    def _release(self) -> Iterator[Line]:
        window, self._window = self._window, []
        if window:
            found = learn([text for _, text in window])
            self._dress, self._bare_lines = (found if found.is_any else _BARE), 0
        for line, text in window:
            yield from self._undress(line, text)

    def _is_of_another(self, text: str, *, gated: bool) -> bool:
        """Say whether words of the kernel stand behind something else than what was learnt."""
        if not gated and not ANCHOR.search(text, 0, MAX_FRONT_CHARACTERS):
            return False
        known = bare(text)
        if self._dress.is_worn_by(text) or not (_is_strange(record(0, known).text) or opening_front(known)):
            return False
        fold, cut = self._dress.fold, self._cut
        return fold is None or cut is None or not fold.is_full(cut.last, self._dress.unwrapped(text))

    def _take_off(self) -> tuple[Line, ...]:
        """Forget what was learnt; gives what was held back of a cut line."""
        cut, self._cut = self._cut, None
        given = tuple(self._bared(cut.line, cut.text)) if cut else ()
        self._dress, self._bare_lines = _BARE, 0
        return given

    def _undress(self, line: int, text: str) -> Iterator[Line]:
        """Join what was cut, and take off the rest."""
        inner = self._dress.unwrapped(text)
        self._bare_lines = self._bare_lines if inner == text else 0
        text = inner
        fold, cut = self._dress.fold, self._cut
        if fold is None:
            yield from self._bared(line, text)
            return
        self._cut = _Cut(line, text, text)
        if cut is None:
            return
        if text.strip() and fold.is_full(cut.last, text) and not self._has_front(text):
            self._cut = _Cut(cut.line, cut.text + " " * fold.soft + text, text)
        else:
            yield from self._bared(cut.line, cut.text)

    def _has_front(self, text: str) -> bool:
        return is_dressed(self._dress.shapes, self._dress.unquoted(text))

    def _bared(self, line: int, text: str) -> Iterator[Line]:
        """Take the quote and the front off, and write what the front tells as printk does."""
        text = self._dress.unquoted(text)
        for shape in self._dress.shapes:
            end = end_of(shape, text)
            if end:
                self._bare_lines = 0
                yield from split_glued(line, as_printk(text[:end]) + text[end:])
                return
        self._bare_lines += 1
        yield from split_glued(line, text)


def _is_strange(said: str) -> bool:
    """
    Say whether words that the kernel says only at a line's beginning stand further behind.

    Not where the line opens a report as it is: "Oops: Oops: 0000 [#1]" is what x86's die() says since 6.9.
    """
    found = ANCHOR.search(said, 0, MAX_FRONT_CHARACTERS)
    return found is not None and found.start() > 0 and find_opening(said.lstrip(), WORDS) is None


def _is_plain(said: str, line: str) -> bool:
    """Say whether no logger or vendor added something between printk's front and the kernel's words."""
    added = "kernel" in said[:MAX_FRONT_CHARACTERS] or _ADDED.match(said) is not None
    return not added or not opening_front(line)


def _is_talk(line: str) -> bool:
    """Say whether another program's line only happens to have a word of the kernel's."""
    return is_of_program(line) and not may_open(line)


def _has_cut(lines: Iterable[Line]) -> bool:
    """Say whether a line that is long enough to be cut is followed by one without a front of its own."""
    return any(
        len(before) >= min(WIDTHS)
        and text.strip() != ""
        and is_dressed((), bare(before))
        and not is_dressed((), bare(text))
        and not is_of_program(bare(text))
        for (_, before), (_, text) in pairwise(lines)
    )


def split_glued(line: int, text: str) -> tuple[Line, ...]:
    """Give each of several messages that were written into one line, by timestamps or the kernel's words."""
    places = (0, *_stamps(text)) if text.find("[", 1) > 0 else (0,)
    if len(places) == 1:
        first, *further = lines_of(text)
        stamp = _STAMP.match(text) if further else None
        front = f"{stamp[0]} " if stamp else ""
        return ((line, first), *((line, front + part) for part in further))
    pieces = (text[start:end] for start, end in zip(places, (*places[1:], None), strict=True))
    return tuple((line, piece.rstrip()) for piece in pieces)


def _stamps(text: str) -> Iterator[int]:
    """List the places of timestamps behind the first, in a line that begins with one."""
    found = _STAMP.match(text)
    place = text.find("[", found.end()) if found else -1
    while place >= 0:
        if _STAMP.match(text, place):
            yield place
        place = text.find("[", place + 1)
