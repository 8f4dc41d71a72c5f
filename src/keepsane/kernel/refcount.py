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
from dataclasses import dataclass

from keepsane.kernel import warning
from keepsane.kernel.block import PRELUDE, Block, Opening, build, damage_of
from keepsane.kernel.culprit import culprit
from keepsane.model import Event


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
    function = culprit(block.body)
    what = said["what"] if said else "reference count warning"
    return build(
        Refcount,
        block,
        "refcount",
        what + (f" in {function}" if function else ""),
        damage=damage_of(block, needs_end=True),
        what=said["what"] if said else None,
    )


OPENINGS = (
    Opening(
        "refcount",
        "refcount_t",
        SAID,
        parse_refcount,
        rank=PRELUDE,
        detail_of=frozenset({"refcount-warning"}),
    ),
    Opening("refcount-warning", "refcount.", WARNING, parse_refcount, own=SAID),
    Opening("refcount-warning", "kref.h:", WARNING, parse_refcount, own=SAID),
)
