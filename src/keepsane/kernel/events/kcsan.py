# SPDX-License-Identifier: GPL-2.0-or-later
"""
KCSAN: two CPUs touched the same memory without ordering, or an assertion about that was broken.

    BUG: KCSAN: data-race in count_up / show_count
    BUG: KCSAN: data-race in count_up+0x551/0xb10
    BUG: KCSAN: assert: race in count_up / reset_count
    write to 0xffff933db8a2ae6c of 4 bytes by task 101 on cpu 0:
    race at unknown origin, with read to 0xffff933db8a2ae6c of 1 bytes by interrupt on cpu 0:
    value changed: 0x00000007 -> 0x00000008

Source: kernel/kcsan/report.c, print_report().
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from keepsane.kernel.log.block import Block, Opening, build, titled
from keepsane.kernel.log.culprit import plain_name
from keepsane.kernel.log.groups import Hex, read
from keepsane.model import Event


class Access(NamedTuple):
    """One side of a race: what it did, to which address, how many bytes, in which task, on which CPU."""

    what: str
    address: Hex
    size_bytes: int
    pid: int | None = None
    cpu: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kcsan(Event):
    """
    A data race.

    `functions` are the one or two sides the headline names, `accesses` what each did; where the other side
    was not seen there is one. `before` and `after` are the values where the memory was seen to change.
    """

    bug: str
    functions: tuple[str, ...] = ()
    accesses: tuple[Access, ...] = ()
    before: Hex | None = None
    after: Hex | None = None


_NAME = r"[A-Za-z_.$<][\w.$<>:&*@,'-]{0,510}(?:\+0x[0-9a-f]{1,16}/0x[0-9a-f]{1,16})?(?: \[[\w-]{1,64}\])?"
HEAD = re.compile(
    r"BUG: KCSAN: (?P<bug>assert: race|[a-z][a-z -]{2,60}?)(?= in |\s*+$)(?: in (?P<one>"
    + _NAME
    + r")(?: / (?P<other>"
    + _NAME
    + r"))?)?"
)
_ACCESS = re.compile(
    r"\s*(?:race at unknown origin, with )?(?P<what>(?:assert no )?(?:read-write|read|write|accesses"
    r"|writes)(?: \([a-z, -]{1,60}\))?) to "
    r"(?:0x)?(?P<address>[0-9a-f]{4,16}) of (?P<size_bytes>\d{1,10}) bytes by (?:task (?P<pid>\d{1,10})"
    r"|interrupt) on cpu (?P<cpu>\d{1,5}):"
)
_CHANGED = re.compile(r"\s*value changed: 0x(?P<before>[0-9a-f]{1,16}) -> 0x(?P<after>[0-9a-f]{1,16})")
_OWN = re.compile(
    _ACCESS.pattern
    + r"|\s*value changed: |\s*Reported by Kernel Concurrency Sanitizer| bits changed: |\s*\(reordered to"
)


def _functions(head: re.Match[str]) -> tuple[str, ...]:
    return tuple(
        plain_name(name.split("+")[0].split(" ")[0]) for name in (head["one"], head["other"]) if name
    )


def parse_kcsan(block: Block) -> Kcsan | None:
    """
    Read a KCSAN report; each stack is named by its access.

    Accepted format:
        BUG: KCSAN: data-race in count_up / show_count
    """
    functions = _functions(block.head)
    return build(
        Kcsan,
        block,
        "kcsan",
        titled(f"KCSAN: {block.head['bug']}", " / ".join(functions)),
        block.find(_CHANGED),
        functions=functions,
        accesses=tuple(read(Access, found) for found in block.find_all(_ACCESS)),
    )


OPENINGS = (Opening("kcsan", HEAD, parse_kcsan, own=_OWN),)
