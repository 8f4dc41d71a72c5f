# SPDX-License-Identifier: GPL-2.0-or-later
"""
Whatever stands in a log, the scanner neither raises nor invents: events lie inside the input, their
records are the input's lines, and every line is counted at most once.
"""

from __future__ import annotations

import re
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keepsane.kernel.log.dress.flat import lines_of
from keepsane.kernel.log.dress.letters import spaced
from keepsane.kernel.log.kinds import KINDS
from keepsane.kernel.log.scan import Scanner
from tests.golden import CASES, events_of, read_case

LOGS = tuple(read_case(path).log for path in sorted(CASES.glob("*/*.case")))
LITERALS = tuple(dict.fromkeys(literal for row in KINDS.values() for literal in row.literals))
LINES = tuple(sorted({line for log in LOGS for line in log.splitlines()}))
SLOW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def is_written(lines: list[str], text: str) -> bool:
    """Tell whether a text ends a line, or is what a line and those behind it were cut from."""
    lines = [spaced(line) for line in lines[:60]]
    if lines[0].endswith(text):
        return True
    joined = re.sub(r"\s", "", "".join(lines))
    return re.sub(r"\s", "", text) in joined


def assert_true_to_input(lines: list[str]) -> None:
    scanner = Scanner()
    events = list(scanner.events(lines))
    for event in events:
        assert 1 <= event.line <= event.last_line <= len(lines)
        numbers = [record.line for record in event.records]
        assert numbers == sorted(numbers)
        assert len(set(numbers)) == len(numbers) or any(len(lines_of(line)) > 1 for line in lines)
        assert all(is_written(lines[record.line - 1 :], record.text) for record in event.records)
        assert all(
            event.line <= frame.line <= event.last_line for stack in event.stacks for frame in stack.frames
        )
    told = scanner.summary(())
    assert told.skipped_lines >= 0
    assert told.unread_lines >= 0
    assert told.skipped_lines + told.unread_lines <= sum(len(lines_of(line)) for line in lines)


@SLOW
@given(st.lists(st.text(st.characters(exclude_characters="\n"), max_size=200), max_size=30))
def test_any_text(lines: list[str]) -> None:
    assert_true_to_input(lines)


@SLOW
@given(st.lists(st.one_of(st.sampled_from(LINES), st.sampled_from(LITERALS)), max_size=60))
def test_lines_of_real_reports_in_any_order(lines: list[str]) -> None:
    assert_true_to_input(lines)


@SLOW
@given(st.sampled_from(LITERALS), st.text(max_size=120), st.text(max_size=40))
def test_a_beginning_with_anything_after_it(literal: str, after: str, before: str) -> None:
    assert_true_to_input([before.replace("\n", " ") + literal + after.replace("\n", " ")])


OTHER_DIGITS = {ord(str(digit)): chr(0x660 + digit) for digit in range(10)}


@SLOW
@given(st.sampled_from(LOGS), st.integers(0, 2**32))
def test_digits_of_other_scripts_and_endless_ones(log: str, seed: int) -> None:
    """`\\d` takes Arabic digits, and int() refuses more than 4300."""
    random = Random(seed)
    lines = log.splitlines()
    for at in random.sample(range(len(lines)), k=min(len(lines), 8)):
        kind = random.choice(("arabic", "endless", "superscript"))
        if kind == "arabic":
            lines[at] = lines[at].translate(OTHER_DIGITS)
        elif kind == "superscript":
            lines[at] = lines[at].replace("1", "\u00b9").replace("2", "\u00b2")
        else:
            lines[at] = lines[at].replace(random.choice("0123456789"), "7" * random.choice((30, 5000)), 1)
    assert_true_to_input([line[:4000] for line in lines])


def damaged(log: str, random: Random) -> list[str]:
    """Cut, double, shuffle and bit-flip a log as a bad line does."""
    lines = log.splitlines()
    for _ in range(random.randint(1, 6)):
        at = random.randrange(len(lines)) if lines else 0
        harm = random.choice(("cut", "double", "swap", "flip", "half", "end"))
        if not lines:
            return lines
        if harm == "cut":
            del lines[at]
        elif harm == "double":
            lines.insert(at, lines[at])
        elif harm == "swap":
            other = random.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        elif harm == "end":
            del lines[at + 1 :]
        elif lines[at]:
            place = random.randrange(len(lines[at]))
            kept = lines[at][place + 1 :] if harm == "flip" else ""
            flipped = chr(ord(lines[at][place]) ^ 1 << random.randrange(7)) if harm == "flip" else ""
            lines[at] = lines[at][:place] + flipped.replace("\n", " ") + kept
    return lines


@SLOW
@given(st.sampled_from(LOGS), st.integers(0, 2**32))
def test_damaged_reports(log: str, seed: int) -> None:
    assert_true_to_input(damaged(log, Random(seed)))


@SLOW
@given(st.lists(st.sampled_from(LOGS), min_size=2, max_size=3), st.integers(0, 2**32))
def test_two_cpus_that_print_at_once(logs: list[str], seed: int) -> None:
    random = Random(seed)
    waiting = [log.splitlines() for log in logs]
    mixed = []
    while any(waiting):
        lines = random.choice([lines for lines in waiting if lines])
        mixed.append(lines.pop(0))
    assert_true_to_input(mixed)


ONLY_AT_THE_BEGINNING = ("[  100.000002] Code:", "[  210.100101] CR2:")


def test_a_report_is_the_same_below_other_lines() -> None:
    quiet = "[    1.000000] quiet line\n" * 40
    for log in (log for log in LOGS if not log.startswith(ONLY_AT_THE_BEGINNING)):
        assert [event.title for event in events_of(quiet + log)] == [event.title for event in events_of(log)]
