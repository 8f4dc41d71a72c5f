# SPDX-License-Identifier: GPL-2.0-or-later
"""
How many steps a pattern may take on a line of 4 kB, at most, read off its parse tree.

A backtracking matcher tries every way in which repeats can share a text. A repeat that gives back letters
tries what follows once for each; where what follows cannot begin with such a letter, that try ends at once.
So the bound is a product over neighbours that overlap, and a sum over all others:

    x*y              a sum
    x*x*y, x*z?x*y   a product: both repeats want the same letters
    (?:x*y?)*        refused: the number of ways grows as a power of the length

The bound is never too small: letters are compared one at a time, and where that cannot tell, both may be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

compiler, parser, sre = (import_module(f"re.{name}") for name in ("_compiler", "_parser", "_constants"))

LINE_CHARACTERS = 4096
UNROLLED = 16
"""A group repeated at most so often is looked at copy by copy."""
_LETTERS = "".join(map(chr, range(256))) + "\u017f\u212a\u0663\u2003\u2028\u4e2d\u2211\ufffd"
_ALL = (1 << len(_LETTERS)) - 1
_BEYOND = _ALL >> 256 << 256
_REPEATS = {sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT}
_ONE = {sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY, sre.ANY_ALL, sre.CATEGORY}


class RefusedError(Exception):
    """A pattern whose number of steps has no bound of use; the text says why."""


@dataclass(frozen=True, slots=True, eq=False)
class End:
    """The end of a pattern, `final`, or of a group; one of `chars` begins a repeated group anew."""

    chars: int = 0
    final: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """`least` to `most` letters out of `chars`, given back one by one unless `kept`."""

    chars: int
    least: int
    most: int
    kept: bool
    after: Node


@dataclass(frozen=True, slots=True, eq=False)
class Fork:
    """Several ways to go on."""

    ways: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """A group repeated any number of times, `span` letters at most: `first` begins it, in one way only."""

    first: int
    chars: int
    span: int
    inside: Node
    after: Node


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What is matched on its own and never again: a look ahead or behind, an atomic group."""

    inside: Node
    after: Node
    moves: bool


Node = End | Run | Fork | Loop | Look


class Cost(NamedTuple):
    """The most steps of one match at one place, and at how many places of a line one may begin."""

    steps: int
    places: int

    @property
    def of_search(self) -> int:
        """The most steps of a search, which tries each place of a line."""
        return (self.steps - LINE_CHARACTERS) * self.places + 2 * LINE_CHARACTERS


def cost(pattern: re.Pattern[Any]) -> Cost:
    """Give the cost of a pattern; RefusedError where it has no bound."""
    tree = parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
    items = list(tree)
    graph = _Builder(tree.state.flags, {}).chain(items, End(final=True))
    return Cost(_Counter({}).count(Fork((graph,)), _ALL) + LINE_CHARACTERS, _places(items, pattern.flags))


def _places(items: list[Any], flags: int) -> int:
    """Count the places of a line at which what a pattern begins with may stand."""
    begins = {sre.AT_BEGINNING_STRING} | (set() if flags & re.MULTILINE else {sre.AT_BEGINNING})
    if items and items[0][0] is sre.AT and items[0][1] in begins:
        return 1
    word = "" if flags & re.IGNORECASE else _word(items)
    apart = next((by for by in range(1, len(word)) if word.startswith(word[by:])), max(1, len(word)))
    return -(-LINE_CHARACTERS // apart)


def _word(items: list[Any]) -> str:
    """Give the letters that every match begins with."""
    word = ""
    for kind, value in items:
        if kind is sre.LITERAL:
            word += chr(value)
        elif kind is sre.SUBPATTERN and not value[1]:
            inside = list(value[3])
            word += _word(inside)
            if any(item[0] is not sre.LITERAL for item in inside):
                break
        elif kind is not sre.AT:
            break
    return word


@dataclass(slots=True)
class _Builder:
    """Turns a parse tree into nodes, from its end to its beginning."""

    flags: int
    known: dict[str, int]

    def chain(self, items: Sequence[Any], after: Node) -> Node:
        """Build a sequence in front of what follows it."""
        for kind, value in reversed(items):
            after = self._element(kind, value, after)
        return after

    def _element(self, kind: Any, value: Any, after: Node) -> Node:
        if kind in _ONE:
            return Run(self._chars((kind, value)), 1, 1, False, after)
        if kind in _REPEATS:
            return self._repeat(value, after, kept=kind is sre.POSSESSIVE_REPEAT)
        if kind is sre.SUBPATTERN:
            _, add, remove, inside = value
            return _Builder((self.flags | add) & ~remove, {}).chain(list(inside), after)
        if kind is sre.BRANCH:
            return Fork(tuple(self.chain(list(way), after) for way in value[1]))
        return self._aside(kind, value, after)

    def _aside(self, kind: Any, value: Any, after: Node) -> Node:
        if kind is sre.AT:
            return Look(End(), after, moves=False)
        if kind in {sre.ASSERT, sre.ASSERT_NOT}:
            return Look(self.chain(list(value[1]), End()), after, moves=False)
        if kind is sre.ATOMIC_GROUP:
            return Look(self.chain(list(value), End()), after, moves=True)
        raise RefusedError(f"{str(kind).lower()}: what it takes cannot be known beforehand")

    def _chars(self, item: Any) -> int:
        """Give the letters that one element takes, asked from the matcher itself."""
        text = repr(item)
        if text not in self.known:
            state = parser.State()
            state.flags = self.flags
            takes = compiler.compile(parser.SubPattern(state, [item])).fullmatch
            found = sum(1 << place for place, letter in enumerate(_LETTERS) if takes(letter))
            self.known[text] = found | (_BEYOND if any(code > 255 for code in _codes(item)) else 0)
        return self.known[text]

    def _repeat(self, value: Any, after: Node, *, kept: bool) -> Node:
        least, most, items = int(value[0]), int(value[1]), _plain(list(value[2]))
        if len(items) == 1 and items[0][0] in _ONE:
            return Run(self._chars(items[0]), least, most, kept, after)
        if kept:  # fixed in 3.11.5, and Debian 12 has 3.11.2: github.com/python/cpython/issues/106052
            raise RefusedError(
                "a possessive repeat of more than one letter, which older Pythons match wrongly"
            )
        return self._group(items, least, most, after)

    def _group(self, items: list[Any], least: int, most: int, after: Node) -> Node:
        if most > UNROLLED:
            after = self._loop(items, most, after)
            return self.chain(items * least, after) if least <= UNROLLED else after
        rest = after
        for copy in range(most, 0, -1):
            inner = self.chain(items, rest)
            rest = inner if copy <= least else Fork((inner, after))
        return rest

    def _loop(self, items: list[Any], most: int, after: Node) -> Node:
        alone = self.chain(items, End())
        if _may_be_empty(alone):
            raise RefusedError("a repeat of what may be empty")
        first = _first(alone)
        inside = self.chain(items, End(first))
        chars = 0
        for node in _walk(inside):
            _require_one_way(node)
            chars |= node.chars if isinstance(node, Run | Loop) else 0
            chars |= _ALL if isinstance(node, Look) and node.moves else 0
        _, longest = parser.SubPattern(parser.State(), items).getwidth()
        return Loop(first, chars, min(LINE_CHARACTERS, int(longest) * most), inside, after)


def _plain(items: list[Any]) -> list[Any]:
    """Take the parentheses off a group without flags of its own."""
    while len(items) == 1 and items[0][0] is sre.SUBPATTERN and not items[0][1][1] and not items[0][1][2]:
        items = list(items[0][1][3])
    return items


def _codes(item: Any) -> Iterator[int]:
    if isinstance(item, int):
        yield item
    elif isinstance(item, tuple | list):
        for part in item:
            yield from _codes(part)


def _first(node: Node) -> int:
    """Give the letters with which the text from `node` on may begin."""
    match node:
        case End():
            return node.chars
        case Run():
            return node.chars | (_first(node.after) if node.least == 0 else 0)
        case Loop():
            return node.first | _first(node.after)
        case Look():
            inside = _first(node.inside) if node.moves else 0
            return inside | (_first(node.after) if not node.moves or _may_be_empty(node.inside) else 0)
        case Fork():
            return _union(_first(way) for way in node.ways)


def _union(masks: Iterator[int]) -> int:
    every = 0
    for mask in masks:
        every |= mask
    return every


def _may_be_empty(node: Node) -> bool:
    match node:
        case End():
            return True
        case Run():
            return node.least == 0 and _may_be_empty(node.after)
        case Loop():
            return _may_be_empty(node.after)
        case Look():
            return (not node.moves or _may_be_empty(node.inside)) and _may_be_empty(node.after)
        case Fork():
            return any(map(_may_be_empty, node.ways))


def _walk(node: Node) -> Iterator[Node]:
    """Yield every node from `node` on, except inside looks: nothing goes back into these."""
    waiting, seen = [node], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        match node:
            case Fork():
                waiting += node.ways
            case Loop():
                waiting += (node.inside, node.after)
            case Run() | Look():
                waiting.append(node.after)


def _is_sure(node: Node) -> bool:
    """Tell whether what is left of the pattern matches whatever follows."""
    match node:
        case End():
            return node.final
        case Run():
            return node.least == 0 and _is_sure(node.after)
        case Loop():
            return _is_sure(node.after)
        case Fork():
            return any(map(_is_sure, node.ways))
        case _:
            return False


def _require_one_way(node: Node) -> None:
    """Refuse a node of a repeated group at which the next letter does not say how to go on."""
    match node:
        case Run():
            clash = node.chars & _first(node.after) if node.least < node.most and not node.kept else 0
        case Loop():
            clash = node.chars & _first(node.after)
        case Fork():
            clash = seen = 0
            for way in node.ways:
                clash, seen = clash | seen & _first(way), seen | _first(way)
        case _:
            return
    if clash:
        raise RefusedError("a repeat inside a repeat, and the next letter does not say which of them goes on")


@dataclass(slots=True)
class _Counter:
    """Counts steps from the end to the beginning; what was counted is kept."""

    known: dict[tuple[int, int], int]

    def count(self, node: Node, given: int) -> int:
        """Count the steps from `node` on, where the next letter is one of `given` or the text ends."""
        key = id(node), given
        if key not in self.known:
            self.known[key] = self._count(node, given)
        return self.known[key]

    def _count(self, node: Node, given: int) -> int:
        if _is_sure(node):
            return 1  # what matches for certain is tried once
        match node:
            case End():
                return 1
            case Run():
                return self._run(node, given)
            case Fork():
                return 1 + max(
                    (sum(self.count(way, alike) for way in node.ways) for alike in self._alike(node, given)),
                    default=len(node.ways),
                )
            case Look():
                return self.count(node.inside, given) + self.count(node.after, _ALL if node.moves else given)
            case Loop():
                return self._loop(node, given)

    def _alike(self, node: Fork, given: int) -> set[int]:
        """Part the letters of `given` into those that may begin the same ways: the next letter is but one."""
        parts = {given}
        for way in node.ways:
            first = _first(way)
            parts = {part & half for part in parts for half in (first, ~first) if part & half}
        return parts

    def _loop(self, node: Loop, given: int) -> int:
        if not node.first & given:
            return 1 + self.count(node.after, given)
        once = self.count(node.inside, _ALL) + self.count(node.after, node.chars)
        return node.span * once + self.count(node.after, _ALL)

    def _run(self, node: Run, given: int) -> int:
        most = min(node.most, LINE_CHARACTERS)
        if not node.chars & given:
            return 1 + (self.count(node.after, given) if node.least == 0 else 0)
        ended = _ALL & ~node.chars if node.most > LINE_CHARACTERS else _ALL
        back = 0 if node.kept else max(0, most - node.least)
        ways = back * self.count(node.after, node.chars) if back else 0
        return 1 + most // 8 + self.count(node.after, ended) + ways
