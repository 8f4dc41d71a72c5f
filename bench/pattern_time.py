# SPDX-License-Identifier: GPL-2.0-or-later
"""
How long the project's patterns take on the worst lines of 4 kB that can be thought of.

    python -m bench.pattern_time [SECONDS]     prints the worst ten; exit code 1 where one took over 20 ms

Lines come from the committed cases, mutated, and from each pattern's own parse tree: what it wants up to a
repeat, the letters of the repeat until 4 kB are full, and an end that fits nothing. A pattern that only
`match` uses is asked at one place, any other is searched for. The shortest of three runs counts.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import chain, islice
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NamedTuple

from checks.pattern_cost import LINE_CHARACTERS
from checks.patterns import Found, Source, is_searched, module_patterns

ROOT = Path(__file__).resolve().parents[1]
LIMIT_SECONDS = 0.020
ENDS = ("", "!", "\x01", " x", "\n!", "z" * 40)
parser, sre = import_module("re._parser"), import_module("re._constants")


class Taken(NamedTuple):
    """The longest time a pattern took, and the line it took it on."""

    seconds: float
    where: str
    line: str


def main(seconds: float) -> int:
    """Measure every pattern for its part of `seconds`."""
    sys.setrecursionlimit(20_000)
    sources = [Source(ROOT, path) for path in sorted((ROOT / "src").rglob("*.py"))]
    uses = [use for source in sources for use in source.uses()]
    patterns = list(module_patterns(sources))
    lines = case_lines()
    worst = sorted(
        (measure(found, is_searched(found, uses), lines, seconds / len(patterns)) for found in patterns),
        reverse=True,
    )
    for taken in worst[:10]:
        print(f"{taken.seconds * 1000:8.2f} ms  {taken.where:45} {taken.line[:60]!r}")
    over = sum(taken.seconds > LIMIT_SECONDS for taken in worst)
    print(f"{len(patterns)} patterns, {over} took more than {LIMIT_SECONDS * 1000:.0f} ms")
    return 1 if over else 0


def case_lines() -> list[str]:
    """Give the different lines of the committed cases."""
    cases = (ROOT / "tests" / "cases").glob("*/*.case")
    return sorted({line for case in cases for line in case.read_text(encoding="utf-8").splitlines() if line})


def measure(found: Found, searched: bool, lines: list[str], seconds: float) -> Taken:
    """Try a pattern on attacks, then on mutated lines until its time is over; give the worst."""
    chance = random.Random(found.where)
    bad = isinstance(found.pattern.pattern, bytes)
    run = found.pattern.search if searched else found.pattern.match
    worst, until = Taken(0.0, found.where, ""), perf_counter() + seconds
    for line in chain(attacks(found.pattern), mutants(lines, chance)):
        text: Any = line.encode("latin-1", "replace") if bad else line
        taken = min(once(run, text) for _ in range(3)) if once(run, text) > worst.seconds else 0.0
        worst = max(worst, Taken(taken, found.where, line))
        if perf_counter() > until:
            break
    return worst


def once(run: Any, text: Any) -> float:
    """Time one match, in seconds of this process."""
    before = process_time()
    run(text)
    return process_time() - before


def attacks(pattern: re.Pattern[Any]) -> Iterator[str]:
    """Yield, for each repeat of a pattern, what leads to it, its letters up to 4 kB, and an end."""
    tree = parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
    heads = list(dict.fromkeys(islice(samples(list(tree), ""), 150)))
    for head, filling in heads:
        for end in ENDS:
            size = max(0, LINE_CHARACTERS - len(head) - len(end))
            yield head + (filling * (size // max(1, len(filling)) + 1))[:size] + end
    whole = "".join(filling for _, filling in heads)[:LINE_CHARACTERS]
    yield (whole * (LINE_CHARACTERS // max(1, len(whole)) + 1))[:LINE_CHARACTERS]


def samples(items: list[Any], head: str) -> Iterator[tuple[str, str]]:
    """Yield each repeat's filling with a text that leads to it."""
    for kind, value in items:
        if kind in {sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT}:
            inside = list(value[2])
            filling = "".join(example(inside))
            yield head, filling
            yield head + filling, filling
            yield from samples(inside, head)
        elif kind is sre.SUBPATTERN:
            yield from samples(list(value[3]), head)
        elif kind is sre.BRANCH:
            for way in value[1]:
                yield from samples(list(way), head)
        elif kind is sre.ATOMIC_GROUP:
            yield from samples(list(value), head)
        head += "".join(example([(kind, value)]))
    yield head, head


def example(items: list[Any]) -> Iterator[str]:
    """Give one text that a sequence takes, with each repeat once."""
    for kind, value in items:
        if kind is sre.LITERAL:
            yield chr(value)
        elif kind is sre.IN:
            yield letter_of(value)
        elif kind in {sre.ANY, sre.NOT_LITERAL}:
            yield "a"
        elif kind in {sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT}:
            yield "".join(example(list(value[2]))) * max(1, int(value[0]))
        elif kind in {sre.SUBPATTERN, sre.BRANCH, sre.ATOMIC_GROUP}:
            inner = {sre.SUBPATTERN: value[-1], sre.ATOMIC_GROUP: value}.get(kind) or value[1][0]
            yield from example(list(inner))


def letter_of(items: list[Any]) -> str:
    """Give one letter of a set."""
    kind, value = items[0]
    if kind is sre.LITERAL:
        return chr(value)
    if kind is sre.RANGE:
        return chr(value[0])
    if kind is sre.CATEGORY:
        return {"CATEGORY_SPACE": " ", "CATEGORY_DIGIT": "1"}.get(str(value), "a")
    return "a"


def mutants(lines: list[str], chance: random.Random) -> Iterator[str]:
    """Yield lines grown to 4 kB by repeating a part of them."""
    while True:
        line = chance.choice(lines)
        start = chance.randrange(len(line))
        part = line[start : start + chance.randint(1, 12)]
        grown = line[:start] + part * (LINE_CHARACTERS // len(part)) + chance.choice((line[start:], "!"))
        yield grown[: LINE_CHARACTERS - 1] + chance.choice((" ", "!", grown[-1]))


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 120.0))
