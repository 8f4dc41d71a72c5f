# SPDX-License-Identifier: GPL-2.0-or-later
"""
KFENCE: a sampled allocation caught an access outside it, after its release, or a bad free.

    BUG: KFENCE: out-of-bounds write in poke_past_end+0x8e/0x148
    Out-of-bounds write at 0xffff8c2aae23bfff (1B left of kfence-#29):
    BUG: KFENCE: memory corruption in release_it+0xb3/0x20f
    Corrupted memory at 0xffff8c2aae24c020 [ 0x2a . . . . . . . ] (in kfence-#37):
    kfence-#29: 0xffff8c2aae23c000-0xffff8c2aae23c01f, size=32, cache=kmalloc-32
    kfence-#29 [0xffff8c2aae23c000-0xffff8c2aae23c01f, size=32, cache=kmalloc-32] allocated by task 112:

Source: mm/kfence/report.c, kfence_report_error() and kfence_print_object().
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.who import Doer, doer, lines
from keepsane.kernel.log.block import Block, Opening, build, titled
from keepsane.kernel.log.culprit import accused
from keepsane.kernel.log.groups import Hex
from keepsane.kernel.log.quote import quote_head, quote_match, some
from keepsane.kernel.log.trace import MODULE, SYMBOL
from keepsane.model import Event
from keepsane.report import Finding
from keepsane.words import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Kfence(Event):
    """
    An access that hit a KFENCE guard.

    `bug` is the kernel's word, `access` "read" or "write" where it was one; `address` is what was touched,
    the object is `object_bytes` long at `object_address` and from `cache`.
    """

    bug: str
    access: str | None = None
    address: Hex | None = None
    object_address: Hex | None = None
    object_bytes: int | None = None
    cache: str | None = None


HEAD = re.compile(
    r"BUG: KFENCE: (?P<bug>[a-z][a-z -]{2,40}?)(?: (?P<access>read|write))?(?: in (?:"
    + SYMBOL
    + MODULE
    + r"|(?P<bare>\S{1,255}))|\s*+$)"
)
_TOUCHED = re.compile(
    r"(?:Out-of-bounds (?:read|write)|Use-after-free (?:read|write)|Corrupted memory|Invalid (?:read|write)"
    r"|Invalid free) "
    r"(?:at|of) 0x(?P<address>[0-9a-f]{4,16})"
)
_OBJECT = re.compile(
    r"kfence-#\d{1,20}(?::| \[)\s?0x(?P<object_address>[0-9a-f]{4,16})-0x[0-9a-f]{4,16}, "
    r"size=(?P<object_bytes>\d{1,10}), cache=(?P<cache>[^\s\],]{1,64})"
)
_OWN = re.compile(_TOUCHED.pattern + r"|kfence-#\d{1,20}|(?:allocated|freed) by task \d{1,20}")


def parse_kfence(block: Block) -> Kfence | None:
    """
    Read a KFENCE report with the stacks of the access, of the allocation and of the release.

    Accepted format:
        BUG: KFENCE: use-after-free read in poke_freed+0x8e/0x148
    """
    word = f" {block.head['access']}" if block.head["access"] else ""
    title = titled(f"KFENCE: {block.head['bug']}{word}", accused(block.head, block.body))
    return build(Kfence, block, "kfence", title, block.find(_TOUCHED), block.find(_OBJECT))


OPENINGS = (Opening("kfence", HEAD, parse_kfence, own=_OWN),)


_ALLOCATED = re.compile(r"(?:kfence-#\d{1,20}.{1,200} )?allocated by task")
_FREED = re.compile(r"(?:kfence-#\d{1,20}.{1,200} )?freed by task")


@rule("guarded-object", on=Kfence)
def guarded_object(event: Kfence) -> Iterator[Finding]:
    """
    KFENCE had put the object beside a guard page, and knows who allocated it and who freed it.

    What it means: KFENCE watches a few objects at a time, so the same fault mostly went unseen before. For
    use-after-free somebody kept a pointer; out-of-bounds and memory corruption are a wrong size or index; an
    invalid free is a second one, or one of a pointer into the object.

    How we know: the report has the object's first and last address, its size and its cache, and the stacks of
    its allocation and release.

    What to do: for use-after-free ask who should have kept the object alive; for the others compare the size
    that was asked for with what is used. Memory corruption is found only when the object is freed: the stack
    above it is that of the release, not of the write.

    When it is wrong: a pointer that goes far beyond its object may hit the guard of another one.
    """
    if event.bug == "invalid" and event.access is not None:
        yield _no_object(event)
        return
    made = doer(event, _ALLOCATED, "who had allocated it")
    freed = doer(event, _FREED, "who freed it")
    if made is None and freed is None:
        raise CannotTell("the report does not show who allocated or freed the object")
    yield Finding(
        severity="error",
        confidence="high",
        title=_what(event, made, freed),
        evidence=some(quote_match(event, _TOUCHED) or quote_head(event), *lines(freed, made)),
        explanation=f"It is an object of {event.object_bytes} bytes from {event.cache}{_by(made)}."
        if event.object_bytes is not None
        else "KFENCE keeps the stacks of the objects that it watches.",
        references=("Documentation/dev-tools/kfence.rst",),
    )


def _by(made: Doer | None) -> str:
    return f", allocated by {made}" if made else ""


def _what(event: Kfence, made: Doer | None, freed: Doer | None) -> str:
    if freed is not None:
        return f"the memory had been freed before, by {freed}"
    address, start, size = event.address, event.object_address, event.object_bytes
    if address is None or start is None or size is None:
        return f"an object allocated by {made} was used wrongly"
    if address < start:
        return f"{counted(start - address, 'byte')} before the beginning of an object allocated by {made}"
    if address >= start + size:
        beyond = counted(address - start - size, "byte")
        return f"{beyond} behind the end of an object allocated by {made}"
    return f"{counted(address - start, 'byte')} into an object allocated by {made}"


def _no_object(event: Kfence) -> Finding:
    return Finding(
        severity="error",
        confidence="medium",
        title="the address lies in KFENCE's pool, where no object is: the pointer is wild",
        evidence=some(quote_match(event, _TOUCHED) or quote_head(event)),
        explanation="The pool holds only objects and the guards beside them; nothing was given out there.",
        references=("Documentation/dev-tools/kfence.rst",),
    )
