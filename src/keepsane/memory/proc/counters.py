# SPDX-License-Identifier: GPL-2.0-or-later
"""
Numbers under the kernel's own names, as /proc and /sys list them.

    nr_free_pages 1472002
    allocstall_normal 0
    numa_hit 8969243

A name that this kernel does not have is None, never zero.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

MAX_NAMES = 4096
"""More names than any kernel has; what a file says beyond them is not kept."""
MAX_DIGITS = 20
"""The digits of the largest 64-bit number."""

_LINE = re.compile(rf"([\w.:()/-]{{1,80}})[ \t]{{1,80}}(-?\d{{1,{MAX_DIGITS}}})[ \t\r]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Counters:
    """Numbers by name, unchangeable; `get()` gives None for a name that is not there."""

    numbers: Mapping[str, int]

    def get(self, name: str) -> int | None:
        """The number under this name, None where the kernel printed none."""
        return self.numbers.get(name)

    def total(self, names: Iterable[str]) -> int | None:
        """The sum of those names that are there, None where none is."""
        found = [self.numbers[name] for name in names if name in self.numbers]
        return sum(found) if found else None

    def __iter__(self) -> Iterator[str]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)


def counters(pairs: Iterable[tuple[str, int]]) -> Counters:
    """Keep the first number of each name, at most MAX_NAMES of them."""
    numbers: dict[str, int] = {}
    for name, number in pairs:
        if len(numbers) >= MAX_NAMES:
            break
        numbers.setdefault(name, number)
    return Counters(MappingProxyType(numbers))


def parse_counters(text: str) -> Counters:
    """
    Read lines of a name and a number, as /proc/vmstat, numastat, memory.stat and memory.events have them.

    Accepted format:
        pgscan_direct 4711

    Other lines are passed over, so is a last line without its end: its number may have been cut.
    Source: mm/vmstat.c, vmstat_show(); drivers/base/node.c, node_read_numastat(); mm/memcontrol.c.
    """
    lines = (_LINE.fullmatch(line) for line in whole_lines(text))
    return counters((found[1], int(found[2])) for found in lines if found)


def whole_lines(text: str) -> list[str]:
    """The lines of a file without the last one where that has no end: half a number is a wrong number."""
    return text.split("\n")[:-1]
