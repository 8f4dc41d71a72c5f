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
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from keepsane.judge import CannotTell, rule
from keepsane.kernel.log.block import Block, Opening, build, titled
from keepsane.kernel.log.culprit import plain_name
from keepsane.kernel.log.groups import Hex, read
from keepsane.kernel.log.quote import quote_head, quote_line, some
from keepsane.model import Event
from keepsane.report import Advice, Finding
from keepsane.words import counted


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


@rule("two-sides-of-race", on=Kcsan)
def two_sides_of_race(event: Kcsan) -> Iterator[Finding]:
    """
    Two CPUs touch the same memory without order, and the report says what each of them does.

    What it means: a write on one side and a read or write on the other, with nothing that orders them. The
    compiler may split, repeat or leave out such accesses, and the reader may see half of a value. Where the
    other side was not seen, only the value changed while KCSAN watched.

    How we know: KCSAN stops at an access for a moment and watches the memory. It prints what each side did,
    in which task or interrupt and on which CPU, and the value before and after where it changed.

    What to do: decide whether the race is meant. If it is, mark both accesses with READ_ONCE(), WRITE_ONCE()
    or data_race(); if it is not, take the same lock on both sides. An assertion (ASSERT_EXCLUSIVE_WRITER())
    also objects to marked accesses: find who writes, or leave the assertion out.

    When it is wrong: of an `unknown origin` the other side may be a device that writes to memory.
    """
    if not event.accesses:
        raise CannotTell("the report is cut before it says what each side did")
    sides = [_side(one, name) for one, name in zip(event.accesses, _names(event), strict=False)]
    alone = len(event.accesses) == 1
    cut = alone and len(event.functions) > 1
    yield Finding(
        severity="warning",
        confidence="medium" if alone else "high",
        title=f"{sides[0]}; the other side {'is missing here' if cut else 'was not seen'}"
        if alone
        else " while ".join(sides[:2]),
        evidence=some(*(quote_line(event, line, "one side") for line in _lines(event)[:2]))
        or (quote_head(event),),
        explanation=_changed(event),
        advice=(Advice(text=_step(event)),),
        references=("Documentation/dev-tools/kcsan.rst",),
    )


_ASSERTS = re.compile(r"assert no (?:accesses|writes)")


def _step(event: Kcsan) -> str:
    if any(_ASSERTS.match(one.what) for one in event.accesses):
        return "find who writes it meanwhile; where that is meant, the assertion is wrong: marks do not help"
    return "mark both accesses where the race is meant, else take one lock on both sides"


def _names(event: Kcsan) -> tuple[str, ...]:
    return event.functions + ("",) * len(event.accesses)


_DOES = (
    (re.compile(r"assert no accesses"), "counts on being alone with"),
    (re.compile(r"assert no writes"), "counts on no other writer of"),
    (re.compile(r"read-write"), "reads and writes"),
    (re.compile(r"read"), "reads"),
    (re.compile(r""), "writes"),
)
"""What a side does, in the kernel's words and in ours: include/linux/kcsan-checks.h has the assertions."""


def _side(access: Access, function: str) -> str:
    does = next(words for form, words in _DOES if form.match(access.what))
    who = function or "somebody"
    where = f" (CPU {access.cpu})" if access.cpu is not None else ""
    return f"{who} {does} {counted(access.size_bytes, 'byte')}{where}"


def _lines(event: Kcsan) -> list[int]:
    return [record.line for record in event.records if _ACCESS.match(record.text)]


def _changed(event: Kcsan) -> str:
    if event.before is None or event.after is None:
        return "Nothing orders the two: no lock, no marked access."
    return (
        f"The value changed from {event.before:#x} to {event.after:#x} meanwhile: it is no harmless rewrite."
    )
