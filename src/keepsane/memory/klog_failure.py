# SPDX-License-Identifier: GPL-2.0-or-later
"""
Failed allocations as the kernel log heads them: when, how large, and whether they could wait.

    <4>[  812.000123] ksoftirqd/0: page allocation failure: order:0, mode:0x820(GFP_ATOMIC), nodemask=(null)
    <4>[  812.000123] ksoftirqd/0: page allocation failure. order:0, mode:0x20

The kernel prints at most a few each minute, so what is found is the least that happened. A last line without
its end is not read: its mode may have been cut.
Source: mm/page_alloc.c, warn_alloc() (until 4.9 warn_alloc_failed()).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from keepsane.kernel.pages.gfp import Gfp, decode
from keepsane.memory.proc.counters import whole_lines

MAX_FAILURES = 1000
_HEAD = re.compile(
    r"(?:<\d{1,4}>)?(?:\[ {0,8}(?P<seconds>\d{1,10}\.\d{1,9})\] )?[^\n]{0,80}page allocation failure"
    r"(?:: |\. )order:(?P<order>\d{1,2}), mode:0x(?P<mask>[0-9a-f]{1,8})(?:\((?P<names>[\w|]{1,400})\))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAllocation:
    """One header: `line` in the log, `seconds` since boot where the log has times."""

    line: int
    seconds: float | None
    order: int
    gfp: Gfp
    text: str


def failed_allocations(log: str, release: str | None = None) -> tuple[FailedAllocation, ...]:
    """Find the headers in a kernel log, the oldest first; `release` says what the bits of a mask mean."""
    return tuple(_found(log, release))


def _found(log: str, release: str | None) -> Iterator[FailedAllocation]:
    count = 0
    for number, line in enumerate(whole_lines(log), 1):
        head = _HEAD.match(line) if "page allocation failure" in line else None
        if head is None:
            continue
        count += 1
        if count > MAX_FAILURES:
            return
        yield FailedAllocation(
            line=number,
            seconds=float(head["seconds"]) if head["seconds"] else None,
            order=int(head["order"]),
            gfp=decode(int(head["mask"], 16), names=head["names"], release=release),
            text=line.strip()[:400],
        )
