# SPDX-License-Identifier: GPL-2.0-or-later
r"""
The same file read again and again: what stays is kept once, and each number that changes as its steps.

    pgscan_direct 4711        "pgscan_direct \0" and 4711, then 0, 0, 32, ...

Nothing is lost: the text comes back byte for byte, whatever it was.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from operator import sub
from typing import NamedTuple

HOLE = "\0"
"""Stands in a skeleton where a number was."""
CONSTANT, PADDED = "-", "0"
"""The codes of a column without steps: of a plain number, and of one with leading zeros."""
WIDTHS_BYTES = {"b": 1, "h": 2, "i": 4, "q": 8}
"""How many bytes a step has, by its column's code; in capitals where a number has leading zeros."""
STEP_BYTES = {**WIDTHS_BYTES, **{code.upper(): width for code, width in WIDTHS_BYTES.items()}}
"""How many bytes a step has, by its column's code."""
CODES = frozenset({CONSTANT, PADDED, *STEP_BYTES})

# Longer numbers stay in the skeleton: with the digit that keeps leading zeros, steps must fit into 64 bits.
_NUMBER = re.compile(r"((?<!\w)\d{1,17}(?!\d))", re.ASCII)


class Column(NamedTuple):
    """A number over several samples: the first, and the steps from each to the next."""

    first: int
    code: str
    steps: bytes | memoryview


def parted(text: str) -> tuple[str, tuple[str, ...]]:
    """
    A text as its skeleton and the numbers that belong into the holes.

    A number is what no letter stands before: the 32 of pgalloc_dma32 is none. A text that holds a NUL itself
    is all skeleton.
    """
    if HOLE in text:
        return text, ()
    parts = _NUMBER.split(text)
    return HOLE.join(parts[::2]), tuple(parts[1::2])


def filled(skeleton: str, rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """The texts again, one for each row of numbers, of which there are as many as holes."""
    form = skeleton.replace("%", "%%").replace(HOLE, "%s")
    return map(form.__mod__, rows)


def pack_column(numbers: Sequence[str]) -> Column:
    """One number over several samples, in the narrowest form its steps fit into."""
    if numbers.count(numbers[0]) == len(numbers):
        return _constant(numbers[0])
    padded = any(number[0] == "0" and len(number) > 1 for number in numbers)
    whole = [int("1" + number) if padded else int(number) for number in numbers]
    steps = list(map(sub, whole[1:], whole))
    code = _code(min(steps), max(steps))
    return Column(whole[0], code.upper() if padded else code, _planes(array(code, steps)))


def _constant(number: str) -> Column:
    padded = number[0] == "0" and len(number) > 1
    return Column(int("1" + number), PADDED, b"") if padded else Column(int(number), CONSTANT, b"")


def _code(low: int, high: int) -> str:
    fits = ((code, 1 << (8 * width - 1)) for code, width in WIDTHS_BYTES.items())
    return next(code for code, limit in fits if -limit <= low and high < limit)


def _planes(steps: array[int]) -> bytes:
    """All lowest bytes, then all next ones, and so on: like next to like packs better."""
    if sys.byteorder == "big":
        steps.byteswap()
    whole = steps.tobytes()
    return b"".join(whole[place :: steps.itemsize] for place in range(steps.itemsize))


def steps_bytes(codes: str, samples: int) -> int:
    """How many bytes the steps of these columns take; a code that does not exist has none."""
    return sum(codes.count(code) * width for code, width in STEP_BYTES.items()) * max(samples - 1, 0)


def numbers_of(column: Column, samples: int) -> list[int]:
    """The numbers of a column. Raises ValueError where the steps are not whole."""
    if column.code == PADDED:
        return [_without_one(column.first)] * samples
    if column.code == CONSTANT:
        return [column.first] * samples
    whole = _whole(column)
    return [_without_one(number) for number in whole] if column.code.isupper() else whole


def texts_of(column: Column, samples: int) -> Iterator[str]:
    """The same as they were written, with their leading zeros."""
    if column.code == PADDED:
        return iter([str(column.first)[1:]] * samples)
    if column.code == CONSTANT:
        return iter([str(column.first)] * samples)
    texts = map(str, _whole(column))
    return (text[1:] for text in texts) if column.code.isupper() else texts


def _whole(column: Column) -> list[int]:
    steps = array(column.code.lower())
    whole = bytearray(len(column.steps))
    size = len(whole) // steps.itemsize
    for place in range(steps.itemsize):
        whole[place :: steps.itemsize] = column.steps[place * size : (place + 1) * size]
    steps.frombytes(whole)
    if sys.byteorder == "big":
        steps.byteswap()
    return list(accumulate(steps, initial=column.first))


def _without_one(number: int) -> int:
    return int(str(number)[1:] or "0")
