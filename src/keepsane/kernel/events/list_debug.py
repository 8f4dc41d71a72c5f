# SPDX-License-Identifier: GPL-2.0-or-later
"""
A linked list whose neighbours disagree (lib/list_debug.c).

    list_add corruption. next->prev should be prev (ffff888012345000), but was ...
    list_add double add: new=ffff888012345000, prev=ffff888012346000, next=ffff888012345000.
    list_del corruption, ffff888012345000->next is LIST_POISON1 (dead000000000100)
    list_del corruption. prev->next should be ffff888012345000, but was 6b6b6b6b6b6b6b6b

A `kernel BUG at lib/list_debug.c` or a WARNING there follows; before 4.10 the warning came first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.events.warning import warning
from keepsane.kernel.events.warning.warning import warned_at, warned_in
from keepsane.kernel.log.block import PRELUDE, Block, Opening, build, titled
from keepsane.kernel.log.culprit import culprit
from keepsane.kernel.log.machinery import LIST_CHECKS
from keepsane.model import Event, Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCorruption(Event):
    """
    A list entry was added or deleted where the list is damaged.

    `operation` is "list_add" or "list_del"; `message` is the kernel's sentence with the pointers it compared.
    """

    operation: str | None = None
    message: str | None = None


SAID = re.compile(
    r"(?:slab: )?(?P<message>(?P<operation>list_(?:add|del)) (?:corruption\b|double add"
    r"|attempted on force-poisoned).{0,255})"
)
WARNING = re.compile(r"(?=.{0,120}lib/list_debug\.c:\d)" + warning.HEAD.pattern)


def parse_list(block: Block) -> ListCorruption | None:
    """
    Read a list corruption.

    Accepted format:
        list_del corruption, ffff888012345000->next is LIST_POISON1 (dead000000000100)

    Source: lib/list_debug.c, __list_add_valid_or_report() and __list_del_entry_valid_or_report().
    """
    said = block.find(SAID)
    title = titled(f"{said['operation'] if said else 'list'} corruption", _changer(block))
    message = said["message"].strip() if said else None
    return build(
        ListCorruption, block, "list-corruption", title, said, needs_end=True, message=message, ip=_ip(block)
    )


def _changer(block: Block) -> str | None:
    """Name who changed the list; None where only the check is left of the trace, which everybody shares."""
    function = warned_in(block) if block.opening.name == "list-warning" else culprit(block.body)
    return function if function and function not in LIST_CHECKS else None


def _ip(block: Block) -> Frame | None:
    return warned_at(block) if block.opening.name == "list-warning" else block.body.ip


_IN_WARNING = frozenset({"list-warning"})

OPENINGS = (
    Opening("list-corruption", SAID, parse_list, rank=PRELUDE, detail_of=_IN_WARNING),
    Opening("list-warning", WARNING, parse_list, own=SAID),
)
