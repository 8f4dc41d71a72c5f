# SPDX-License-Identifier: GPL-2.0-or-later
"""Learn from a stretch of a log how its lines are dressed: quoted, dated, folded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from keepsane.kernel.log.dress.anchors import ANCHOR
from keepsane.kernel.log.dress.fronts import front_of
from keepsane.kernel.log.dress.json_line import as_text
from keepsane.kernel.log.dress.letters import plain, unescaped
from keepsane.kernel.log.dress.shape import Shape, end_of, merged, shape_of
from keepsane.kernel.log.records import record
from keepsane.model import LogRecord

_SURE_SAMPLES, _SURE_WORDS = 2, 3
_MARKS = ">|:*+#;%! \t"
_MOST = 0.8
_LEAST_DRESSED, _SURE_CUTS, _USUAL_CUTS = 3, 4, 3
_ENDS = (".", ":", ";", "!", "?", ")")
_NUMBER = re.compile(r" ?(?:0x)?[0-9a-f]{1,16}\b")
LEAST_WIDTH, _SOFT = 40, range(56, 101)
WIDTHS = frozenset({60, 64, 70, 72, 74, 75, 76, 78, 79, 80, 100, 120, 132, 160})
"""What programs cut lines at by habit: one such line is enough."""


class Fold(NamedTuple):
    """
    How long lines are that go on in the next; `soft` where they are cut between words.

    Several lengths, since a paste may have passed through several programs.
    """

    widths: frozenset[int]
    soft: bool = False

    def is_full(self, text: str, following: str) -> bool:
        """Say whether a line may go on in the following one."""
        if self.soft:
            return len(text) + 1 + len(following.split(None, 1)[0]) > max(self.widths)
        return len(text) in self.widths


class Dress(NamedTuple):
    """
    How lines are dressed: `quote` before each, behind that a front of one of `shapes`, cut as `fold` says.

    `outside` says what was put over the lines after they had been cut: nothing, the quote, a layer of HTML.
    """

    quote: str = ""
    shapes: tuple[Shape, ...] = ()
    fold: Fold | None = None
    outside: int = 0

    @property
    def is_any(self) -> bool:
        """Say whether there is anything to take off."""
        return bool(self.quote or self.shapes or self.fold)

    def unwrapped(self, line: str) -> str:
        """Take off what was put around a line after it had been cut."""
        return _OUTSIDE[self.outside](self.quote, line)

    def unquoted(self, line: str) -> str:
        """Take off what was put around a line before it was cut."""
        return bare(line if self.outside else without(self.quote, line))

    def is_worn_by(self, line: str) -> bool:
        """Say whether a line has the quote and a front of this dress, or printk's own front."""
        is_quoted = line.startswith(self.quote.rstrip())
        inner = self.unquoted(self.unwrapped(line))
        return is_quoted and (not (self.shapes or self.fold) or is_dressed(self.shapes, inner))


def bare(line: str) -> str:
    """Undo colours, HTML and JSON."""
    return as_text(plain(line))


def lengths(line: str) -> frozenset[int]:
    """Give how long a line is, and was before it was quoted: a mail quotes what a terminal has cut."""
    inner = plain(line)
    return frozenset({len(line), len(inner), len(inner.lstrip(_MARKS))})


def learn(lines: Sequence[str]) -> Dress:
    """Learn the dress of lines that stand together."""
    quote = _quote(lines)
    shapes = _shapes(bare(without(quote, line)) for line in lines)
    folds = [_fold([outside(quote, line) for line in lines], shapes) for outside in _OUTSIDE]
    best = max(range(len(folds)), key=lambda outside: (folds[outside].certainty, outside == 1))
    fold = folds[best].fold
    return Dress(quote, shapes, fold, best if fold else 1)


def without(quote: str, line: str) -> str:
    """Take the quote off a line; an empty line may have lost its end."""
    return line[len(quote) :] if line.startswith(quote) else "" if line == quote.rstrip() else line


def _quote(lines: Sequence[str]) -> str:
    """Find the marks that stand before nearly every line."""
    full = [line for line in lines if line.strip()]
    fronts = [line[: len(line) - len(line.lstrip(_MARKS))] for line in full]
    anchored = [front for front, line in zip(fronts, full, strict=True) if ANCHOR.match(line, len(front))]
    longest_first = sorted(set(anchored or fronts), key=len, reverse=True)
    before_most = (
        front for front in longest_first if sum(line.startswith(front) for line in full) >= _MOST * len(full)
    )
    return next(before_most, "")


def _shapes(lines: Iterable[str]) -> tuple[Shape, ...]:
    """Learn the shapes of fronts, the longest first: one may begin as another does."""
    found: dict[tuple[str, ...], _Learnt] = {}
    for front in filter(None, map(front_of, lines)):
        shape = shape_of(front.text)
        known = found.get(shape.kinds, _Learnt(shape, 0, alone=False))
        found[shape.kinds] = _Learnt(merged(known.shape, shape), known.times + 1, known.alone or front.alone)
    sure = [learnt.shape for learnt in found.values() if _is_sure(learnt)]
    return tuple(sorted(sure, key=lambda shape: -len(shape.kinds)))


class _Learnt(NamedTuple):
    shape: Shape
    times: int
    alone: bool


def _is_sure(learnt: _Learnt) -> bool:
    shape, times = learnt.shape, learnt.times
    if shape.is_sure:
        return learnt.alone or times >= _SURE_SAMPLES
    return times >= (_SURE_SAMPLES if shape.has_number else _SURE_WORDS) and bool(shape.kinds)


def is_dressed(shapes: Iterable[Shape], line: str) -> bool:
    """Say whether a line begins with a front that was learnt, or with printk's own."""
    return any(end_of(shape, line) for shape in shapes) or has_own_front(record(0, line), line)


def has_own_front(found: LogRecord, line: str) -> bool:
    """Say whether a line, and the record that was made of it, has a front that needs no learning."""
    has_clock = found.text != line and found.level is None and line[:1] != ">"
    return found.seconds is not None or has_clock or line[:2] == '{"'


_OUTSIDE: tuple[Callable[[str, str], str], ...] = (
    lambda _, line: line,
    without,
    lambda quote, line: unescaped(without(quote, line)),
)


def _may_end(before: str, line: str) -> bool:
    """Say whether a line ends as sentences do: at a word, and without a number that a colon announces."""
    announces = before.endswith(":") and _NUMBER.match(line) is not None
    return before.endswith(_ENDS) and before[-2:-1] != " " and not announces


class _Guess(NamedTuple):
    fold: Fold | None
    certainty: tuple[int, int]


_NO_FOLD = _Guess(None, (0, 0))


def _fold(lines: Sequence[str], shapes: Sequence[Shape]) -> _Guess:
    """Find where lines are cut: what stands behind a cut has no front of its own."""
    dressed = [is_dressed(shapes, plain(line)) for line in lines]
    if sum(dressed) * _LEAST_DRESSED < len(lines):
        return _NO_FOLD
    pairs = [*zip(lines, lines[1:], dressed, dressed[1:], strict=False)]
    cut = [(before, line) for before, line, _, has in pairs if line.strip() and not has]
    # Only what follows a line with a front shows a cut: a log may have stretches without any.
    first = [before for before, line, had, has in pairs if had and line.strip() and not has]
    # One alone may be a message of two lines, whose first ends as sentences do.
    if len(first) == 1 and any(first == [before] and _may_end(before, line) for before, line in cut):
        first = []
    lengths = Counter(map(len, first))
    whole = Counter(len(before) for before, _, had, has in pairs if had and has)
    return _between_words(lines, cut, lengths) or _anywhere(lengths, whole)


def _between_words(
    lines: Sequence[str], cut: Sequence[tuple[str, str]], lengths: Counter[int]
) -> _Guess | None:
    """Lines that end at any length, but never where the next word had room."""
    longest, times = max(map(len, lines), default=0), lengths.total()
    soft = Fold(frozenset({longest}), soft=True)
    is_usual = times < _SURE_CUTS and WIDTHS.issuperset(lengths)
    if len(lengths) < 2 or is_usual or longest not in _SOFT:
        return None
    return _Guess(soft, (times, times)) if all(soft.is_full(*pair) for pair in cut) else None


def _anywhere(lengths: Counter[int], whole: Counter[int]) -> _Guess:
    """Lines of a few lengths, of which hardly any is that of a `whole` line."""
    longest = max([*lengths, *whole], default=0)
    # A line that ends there by chance proves nothing against a usual width that no line is longer than, nor
    # against three cuts of which each is at one.
    sure = WIDTHS if lengths.total() >= _USUAL_CUTS and WIDTHS.issuperset(lengths) else WIDTHS & {longest}
    least = {width: 0 if width in sure else whole[width] for width in lengths}
    widths = {width for width, times in lengths.items() if _is_width(width, times) and times > least[width]}
    explained = sum(lengths[width] for width in widths)
    if explained * 2 <= lengths.total():
        return _NO_FOLD
    usual = sum(times for width, times in lengths.items() if width in WIDTHS)
    return _Guess(Fold(WIDTHS | widths), (usual, explained))


def _is_width(width: int, times: int) -> bool:
    return width in WIDTHS or (width >= LEAST_WIDTH and times > 1)
