# SPDX-License-Identifier: GPL-2.0-or-later
"""
BUG() and BUG_ON(), and the lines that begin with `BUG: ` and have no kind of their own.

    kernel BUG at mm/vmalloc.c:2554!
    invalid opcode: 0000 [#1] PREEMPT SMP NOPTI
    BUG: key ffff88800a3ee9a8 has not been registered!

Source: lib/bug.c, __report_bug().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.log.block import Block, Opening, build, titled
from keepsane.kernel.log.culprit import culprit
from keepsane.model import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug(Event):
    """The code found a bug in itself: `message` in its own words, BUG_ON() in `file` at `source_line`."""

    file: str | None = None
    source_line: int | None = None
    message: str | None = None


def parse_bug(block: Block) -> Bug | None:
    """
    Read a BUG().

    Accepted format:
        kernel BUG at mm/vmalloc.c:2554!
    """
    function, place = culprit(block.body), f"kernel BUG at {block.head['file']}:{block.head['source_line']}"
    return build(Bug, block, "bug", titled("kernel BUG", function) if function else place, needs_end=True)


def parse_said(block: Block) -> Bug | None:
    """
    Read a `BUG: ` line of no other kind; None where no stack follows.

    Accepted format:
        BUG: key ffff88800a3ee9a8 has not been registered!
    """
    if not block.body.stacks:
        return None
    message = block.head["message"].strip()
    return build(Bug, block, "bug", titled(f"BUG: {message}", culprit(block.body)), message=message)


HEAD = re.compile(r"[Kk]ernel BUG at (?P<file>[^\s:]{1,1024}):(?P<source_line>\d{1,7})!?")
SAID = re.compile(r"BUG: (?P<message>.{4,400})")

OPENINGS = (Opening("bug", HEAD, parse_bug), Opening("bug-said", SAID, parse_said, rank=3))
