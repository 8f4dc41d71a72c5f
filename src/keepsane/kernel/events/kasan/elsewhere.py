# SPDX-License-Identifier: GPL-2.0-or-later
"""What KASAN says where no slab object is near: a variable, a stack frame, no memory at all, a wrong tag."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.kasan.object import ACCESS
from keepsane.kernel.events.kasan.report import Kasan
from keepsane.kernel.events.who import ALLOCATED, FREED, doer, lines
from keepsane.kernel.log.block import below
from keepsane.kernel.log.culprit import plain_name
from keepsane.kernel.log.quote import quote, quote_head, quote_line, some
from keepsane.kernel.log.registers import PAGE_BYTES, address_words
from keepsane.report import Advice, Evidence, Finding
from keepsane.words import counted

_DOCUMENTED = ("Documentation/dev-tools/kasan.rst",)
_IN_FRAME = re.compile(
    r".{0,100}is located in stack of task .{1,40}/\d{1,10} at offset (?P<offset>\d{1,10}) in frame:"
)
_FRAME = re.compile(r" ?(?P<function>[A-Za-z_][\w.]{0,255})\+0x")
_LOCAL = re.compile(r"\s*\[(?P<start>\d{1,10}), (?P<end>\d{1,10})\) '(?P<name>[^']{1,100})'")
_GLOBAL = re.compile(r"The buggy address belongs to the variable")


class Local(NamedTuple):
    """A variable of a stack frame: where it begins and ends, its name, its line in the log."""

    start: int
    end: int
    name: str
    line: int


@rule("access-beside-variable", on=Kasan)
def access_beside_variable(event: Kasan) -> Iterator[Finding]:
    """
    Memory beside a variable was touched: a local one of a known function, or a global one.

    What it means: an index or a length is larger than the array, or a pointer to a local variable outlived
    the function. For a local variable KASAN knows the frame's layout, and so how far beside which variable
    the access was.

    How we know: `This frame has ... objects` lists the variables of the frame by their offsets, and the line
    `is located in stack of task ... at offset` has the offset of the access. A global variable is named.

    What to do: look at the bounds of the loop or the length of the copy where that variable is used. For
    `stack-use-after-scope` or `-after-return` see who kept its address.

    When it is wrong: the variable named is the nearest one below the access; a pointer that is far off may
    come from another variable, or from none.
    """
    if not event.bug.startswith(("stack-", "global-")):
        return
    found = _beside_local(event)
    if found is not None:
        yield found
    elif event.variable is not None:
        yield _finding(
            event,
            f"the global variable next to it is {event.variable}",
            f"The access went beyond {event.variable}, or is near it by a pointer that was never its.",
            quote(event, re.compile(re.escape(event.variable) + r"\+0x"), "the variable"),
        )
    else:
        raise CannotTell("the report does not show which variable is near the address")


def _beside_local(event: Kasan) -> Finding | None:
    """Say which variable of which frame is next to the access, None where the frame is not described."""
    told = next(((r, found) for r in event.records if (found := _IN_FRAME.match(r.text))), None)
    if told is None:
        return None
    record, found = told
    behind = below(record, event.records)
    frame = next((match for one in behind[:2] if (match := _FRAME.match(one.text))), None)
    locals_ = [
        Local(int(match["start"]), int(match["end"]), match["name"], one.line)
        for one in behind
        if (match := _LOCAL.match(one.text))
    ]
    if frame is None or not locals_:
        return None
    nearest = _nearest(locals_, int(found["offset"]))
    function = plain_name(frame["function"])
    return _finding(
        event,
        f"{_beside(nearest, int(found['offset']))} {nearest.name!r} of {function}",
        f"{nearest.name!r} has {counted(nearest.end - nearest.start, 'byte')} in the frame of {function}.",
        quote_line(event, record.line, "where the address lies"),
        quote_line(event, nearest.line, "the variable"),
    )


def _nearest(variables: list[Local], offset: int) -> Local:
    return min(variables, key=lambda one: max(one.start - offset, offset - one.end, -1))


def _beside(variable: Local, offset: int) -> str:
    if offset >= variable.end:
        return f"{counted(offset - variable.end, 'byte')} behind the end of the local variable"
    if offset < variable.start:
        return f"{counted(variable.start - offset, 'byte')} before the local variable"
    return f"{counted(offset - variable.start, 'byte')} into the local variable"


@rule("address-of-no-memory", on=Kasan)
def address_of_no_memory(event: Kasan) -> Iterator[Finding]:
    """
    The address that KASAN checked belongs to no memory of the kernel.

    What it means: the pointer itself is wrong, not the size of the object. `null-ptr-deref` is an offset from
    NULL, `user-memory-access` an address of a program that the kernel used as its own, and
    `wild-memory-access` a number that is no address at all.

    How we know: KASAN tells the three apart by the address, which stands in the line of the access. What is
    a known pattern (poison, an error number, a mark of a deleted list entry) is named.

    What to do: for NULL plus a number find the member at this offset, and why the pointer stays NULL. For an
    address of a program use copy_from_user(). For a wild one find who wrote into the place that the pointer
    was read from.

    When it is wrong: a small number that was never a pointer looks like NULL and an offset.
    """
    if event.bug not in ("null-ptr-deref", "user-memory-access", "wild-memory-access"):
        return
    if event.address is None:
        raise CannotTell("the report does not show the address")
    title, why = _no_memory(event.bug, event.address)
    yield _finding(event, f"{title} was used", why)


def _no_memory(bug: str, address: int) -> tuple[str, str]:
    if address < PAGE_BYTES:
        said = "NULL itself" if address == 0 else f"NULL + {address:#x}"
        return said, f"If the pointer was NULL, a member at offset {address:#x} was meant."
    if bug == "user-memory-access":
        return f"the user-space address {address:#x}", "The kernel must not follow a pointer of a program."
    words = address_words(address)
    known = f"The value is that of {words}." if words else "It lies in no range that the kernel uses."
    return f"{address:#x}, which is no address,", known


@rule("pointer-tag-does-not-match", on=Kasan)
def pointer_tag_does_not_match(event: Kasan) -> Iterator[Finding]:
    """
    The tag in a pointer is not the tag of the memory: the memory changed hands since the pointer was made.

    What it means: on arm64 KASAN can give each allocation a random tag, which the pointer carries in its top
    byte. Memory that is freed, or that was never part of an allocation, has the tag fe; another tag than the
    pointer's belongs to another allocation.

    How we know: the report prints both tags, and the stacks of the last allocation and of the last release.

    What to do: with the memory tag fe look at who freed the object and who kept the pointer. With another
    tag see whether the access is beyond the end of the pointer's own object.

    When it is wrong: the two tags alone cannot tell an object that was freed (and given out again) from an
    access beyond the end of another. The report's stacks may belong to the memory's next owner.
    """
    if event.pointer_tag is None or event.memory_tag is None or "use-after-free" in event.bug:
        return
    freed, made = doer(event, FREED, "the last release"), doer(event, ALLOCATED, "the last allocation")
    tags = f"the pointer has the tag {event.pointer_tag:02x}, the memory {event.memory_tag:02x}"
    nobody = event.memory_tag == _FREE_TAG
    whose = "memory that nobody owns now" if nobody else "memory that belongs to another allocation"
    yield Finding(
        severity="error",
        confidence="medium",
        title=f"the pointer leads to {whose}",
        evidence=some(quote(event, _TAGS, tags), *lines(freed, made)),
        explanation=f"{tags[0].upper()}{tags[1:]}." + (f" It was last freed by {freed}." if freed else ""),
        advice=(Advice(text=f"see whether {freed.function} freed it while the pointer was in use"),)
        if freed
        else (),
        references=_DOCUMENTED,
    )


_TAGS = re.compile(r"Pointer tag: \[")
_FREE_TAG = 0xFE
"""KASAN_TAG_INVALID of mm/kasan/kasan.h: freed memory and red zones."""


def _finding(event: Kasan, title: str, why: str, *quoted: Evidence | None) -> Finding:
    return Finding(
        severity="error",
        confidence="medium",
        title=title,
        evidence=some(quote(event, ACCESS) or quote_head(event), *quoted),
        explanation=why,
        references=_DOCUMENTED,
    )
