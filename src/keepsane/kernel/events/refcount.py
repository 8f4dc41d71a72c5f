# SPDX-License-Identifier: GPL-2.0-or-later
"""
refcount_t warnings (lib/refcount.c) and their forerunner in struct kref.

    refcount_t: addition on 0; use-after-free.
    refcount_t: underflow; use-after-free.
    WARNING: CPU: 1 PID: 101 at lib/refcount.c:25 refcount_warn_saturate+0x65/0x110
    WARNING: CPU: 1 PID: 101 at include/linux/kref.h:47 kobject_get+0x8c/0xa0()          before 4.11
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.warning import warning
from keepsane.kernel.log.block import PRELUDE, Block, Opening, build, titled
from keepsane.kernel.log.culprit import culprit, culprit_frame, where
from keepsane.kernel.log.quote import quote, quote_frame, some
from keepsane.model import Event
from keepsane.report import Advice, Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Refcount(Event):
    """
    A reference count did what it must never do; `what` is the kernel's own word for it.

    `what` is None where only the warning about lib/refcount.c or kref.h is left.
    """

    what: str | None = None


SAID = re.compile(
    r"refcount_t(?: \S{1,64} in \S{1,64})?: (?P<what>(?:addition|increment|decrement) (?:on|hit) 0"
    r"|decrement hit 0|underflow|saturated"
    r"|hit zero|overflow|leaking memory)\b"
)
WARNING = re.compile(
    r"(?=.{0,120}(?:lib/refcount\.c|linux/kref\.h|linux/refcount\.h):\d)" + warning.HEAD.pattern
)


def parse_refcount(block: Block) -> Refcount | None:
    """
    Read the warning that lib/refcount.c prints through WARN_ONCE().

    Accepted format:
        refcount_t: underflow; use-after-free.

    A missing call trace is damage, not an error. Source: lib/refcount.c,
    refcount_warn_saturate() (as of 6.12); its forms before 5.5 (refcount_inc(),
    refcount_sub_and_test()) say the same words.
    """
    said = block.find(SAID)
    what = f"refcount {said['what']}" if said else "reference count warning"
    title = titled(what, culprit(block.body))
    return build(Refcount, block, "refcount", title, said, needs_end=True)


_IN_WARNING = frozenset({"refcount-warning"})

OPENINGS = (
    Opening("refcount", SAID, parse_refcount, rank=PRELUDE, detail_of=_IN_WARNING),
    Opening("refcount-warning", WARNING, parse_refcount, own=SAID),
)


_TAKEN = re.compile(r"refcount_t\b.{0,140}: (?:addition|increment) on 0\b")
_UNDERFLOW = re.compile(r"refcount_t\b.{0,140}: underflow\b")
_KASAN = Advice(
    text="let the kernel name both sides: run the same with a kernel built with KASAN",
    verify="the report then says 'Freed by task' beside the use",
    risk="such a kernel is slower and needs more memory",
)


@rule("reference-taken-after-free", on=Refcount)
def reference_taken_after_free(event: Refcount) -> Iterator[Finding]:
    """
    A reference was taken on an object that was already free.

    What it means: the count had reached zero, so the object's destruction has begun or is done, and somebody
    who still had its address took a new reference. The count is now stuck on purpose; the object may already
    belong to somebody else.

    How we know: refcount_t refuses to count up from zero and says `addition on 0` (`increment on 0` before
    5.5). The count gets to zero only by the last put.

    What to do: find the lookup that handed out the address. It must take the reference under the lock or RCU
    section that removes the object from the lookup, with refcount_inc_not_zero().

    When it is wrong: an object that is published with a count of zero and counted up afterwards on purpose,
    or one whose count was never initialised, gives the same words.
    """
    yield from _judged(
        event, _TAKEN, "a reference was taken on an object whose count was already zero", "takes it"
    )


@rule("reference-count-underflow", on=Refcount)
def reference_count_underflow(event: Refcount) -> Iterator[Finding]:
    """
    A reference was dropped more often than it was taken.

    What it means: a put was done on a count of zero. Somebody dropped a reference that was not theirs, twice
    on an error path for instance, or used the object after the last put.

    How we know: refcount_t refuses to count below zero and says `underflow`.

    What to do: count gets and puts on each path that leads to the function shown, error paths first. The put
    shown is the one too many only if the others are right: the wrong one may have come earlier.

    When it is wrong: memory that was overwritten by something else may read as a count of zero. Then the
    object around the count looks like no such object.
    """
    yield from _judged(event, _UNDERFLOW, "a reference was dropped that nobody held", "drops it")


def _judged(event: Refcount, words: re.Pattern[str], title: str, does: str) -> Iterator[Finding]:
    if event.what is None:
        raise CannotTell("the line in which refcount_t says what went wrong is missing")
    said = quote(event, words, "the kernel's own words")
    if said is None:
        return
    caller = culprit_frame(event)
    shown = quote_frame(event, caller, f"the code that {does}") if caller else None
    yield Finding(
        severity="error",
        confidence="high",
        title=title + where(event),
        evidence=some(said, shown),
        explanation="The count was zero: the object is free or about to be, or its count was never set.",
        advice=(_KASAN,),
        references=("lib/refcount.c", "Documentation/core-api/refcount-vs-atomic.rst"),
    )
