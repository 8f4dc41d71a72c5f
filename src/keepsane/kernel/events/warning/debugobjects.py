# SPDX-License-Identifier: GPL-2.0-or-later
"""
ODEBUG: a timer, a work item or an RCU head was used against its life cycle.

    ODEBUG: free active (active state 0) object: ffff888012345000 object type: timer_list hint: tick+0x0/0x40
    WARNING: CPU: 0 PID: 101 at lib/debugobjects.c:517 debug_print_object+0x166/0x220

Source: lib/debugobjects.c, debug_print_object().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.events.warning.warning import HEAD as HEAD_OF_WARNING
from keepsane.kernel.events.warning.warning import Warning as KernelWarning
from keepsane.kernel.log.block import Block, Opening, build, titled
from keepsane.kernel.log.culprit import culprit


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectWarning(KernelWarning):
    """
    An object was used in a state that forbids it.

    `operation` is what was tried ("free", "activate", "init"), `state` the object's state and `object_type`
    what it is ("timer_list", "work_struct", "rcu_head"). `hint` is the object's function.
    """

    operation: str
    state: str
    object_type: str
    hint: str | None = None


HEAD = re.compile(
    r"ODEBUG: (?P<operation>\w{1,40}) (?P<state>[\w ]{1,40}?) \(active state \d{1,20}\)(?: object: "
    r"\S{1,20})? object type: (?P<object_type>\S{1,64})"
    r"(?: hint:\s+(?P<hint>[A-Za-z_][\w.]{1,255}))?"
)
WARNING = re.compile(r"(?=.{0,120}lib/debugobjects\.c:\d)" + HEAD_OF_WARNING.pattern)


def parse_odebug(block: Block) -> ObjectWarning | None:
    """
    Read a warning of lib/debugobjects.c; the function named is the one that used the object.

    Accepted format:
        ODEBUG: activate active (active state 1) object type: rcu_head hint: 0x0
    """
    said = block.find(HEAD)
    if said is None:
        return None
    what = f"ODEBUG: {said['operation']} {said['state']} {said['object_type']}"
    title, message = titled(what, culprit(block.body)), said[0].strip()
    return build(
        ObjectWarning,
        block,
        "warning",
        title,
        said,
        needs_end=True,
        message=message,
        file=None,  # the check's own: who used the object is elsewhere
        source_line=None,
    )


OPENINGS = (
    Opening("odebug", HEAD, parse_odebug, rank=3, detail_of=frozenset({"odebug-warning"})),
    Opening("odebug-warning", WARNING, parse_odebug, own=HEAD),
)
