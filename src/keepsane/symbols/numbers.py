# SPDX-License-Identifier: GPL-2.0-or-later
"""
Bytes in which many numbers are looked for, one after the other.

Each search of a kernel's text reads 16 MB. The addresses of one kernel share their highest bytes, so after a
few searches all places with those bytes are listed, and later numbers are looked for among these alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from keepsane.symbols.text import positions_of

_LOW_BYTES = 3
_MAX_SEARCHES = 4


@dataclass(slots=True, eq=False)
class Numbers:
    """`searches` counts them by the high bytes, `listed` has the ends of the numbers and the numbers."""

    content: bytes
    searches: dict[bytes, int] = field(default_factory=dict)
    listed: dict[bytes, tuple[list[int], bytes]] = field(default_factory=dict)


def positions_of_number(numbers: Numbers, wanted: bytes) -> Iterator[int]:
    """Give every place of a little-endian number of at least four bytes, the last first."""
    high, size = wanted[_LOW_BYTES:], len(wanted)
    numbers.searches[high] = numbers.searches.get(high, 0) + 1
    if numbers.searches[high] <= _MAX_SEARCHES:
        yield from positions_of(numbers.content, wanted)
        return
    if high not in numbers.listed:
        numbers.listed[high] = _listed(numbers.content, high, size)
    ends, values = numbers.listed[high]
    for position in positions_of(values, wanted):
        if position % size == 0:
            yield ends[position // size] - size


def _listed(content: bytes, high: bytes, size: int) -> tuple[list[int], bytes]:
    # Lookahead, since high bytes that are all the same may begin inside others.
    first, *rest = (bytes([one]) for one in high)
    pattern = re.compile(re.escape(first) + b"(?=" + re.escape(b"".join(rest)) + b")", re.DOTALL)
    starts = (found.start() for found in pattern.finditer(content))
    ends = [start + len(high) for start in starts if start >= _LOW_BYTES]
    return ends, b"".join([content[end - size : end] for end in ends])
