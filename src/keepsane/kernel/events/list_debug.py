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
from collections.abc import Iterator
from dataclasses import dataclass

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.warning import warning
from keepsane.kernel.events.warning.warning import warned_at, warned_in
from keepsane.kernel.log.block import PRELUDE, Block, Opening, build, titled
from keepsane.kernel.log.culprit import culprit
from keepsane.kernel.log.machinery import LIST_CHECKS
from keepsane.kernel.log.quote import quote, some
from keepsane.kernel.log.registers import address_words
from keepsane.model import Event, Frame
from keepsane.report import Advice, Finding


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


_WAS = re.compile(
    r"list_(?:add|del) corruption[.,] (?P<link>prev->next|next->prev) should be (?:next |prev )?"
    r"\(?[0-9a-f]{8,16}\)?, but was (?P<value>[0-9a-f]{8,16})"
    r"(?:\. \((?:next|prev)=(?P<neighbour>[0-9a-f]{8,16})\))?"
)
_POISONED = re.compile(r"(?P<entry>[0-9a-f]{8,16})->(?P<link>next|prev) is LIST_POISON")
_DOUBLE = re.compile(r"list_add double add")
_NULL = re.compile(r"(?P<entry>[0-9a-f]{8,16})->(?P<link>next|prev) is NULL")


@rule("list-neighbours-disagree", on=ListCorruption)
def list_neighbours_disagree(event: ListCorruption) -> Iterator[Finding]:
    """
    The pointers that the list check compared say how the list was damaged.

    What it means: `is LIST_POISON` is an entry that was deleted before, and is deleted again; `double add`
    one that is on the list already. Where the neighbour's pointer is another entry, somebody changed the list
    at the same time, or the entry was added twice; where it is none, its memory was overwritten or freed.

    How we know: an entry's neighbours must point back to it; the check prints what it found instead.

    What to do: for a second delete or add look at who owns the entry, and use list_del_init() where it may be
    asked twice. For other values look at the lock of this list, and at the life of the neighbour.

    When it is wrong: the damaged one is the neighbour; the entry that is added or deleted now is innocent.
    """
    message = event.message
    if message is None:
        raise CannotTell("the sentence with the pointers is missing")
    said = _damage(message, event.arch)
    if said is None:
        return
    title, why = said
    yield Finding(
        severity="error",
        confidence="medium",
        title=title,
        evidence=some(quote(event, _SENTENCE, "what was compared")),
        explanation=why,
        advice=(Advice(text="look at which lock protects this list, and whether every user takes it"),),
        references=("lib/list_debug.c",),
    )


_SENTENCE = re.compile(r"list_(?:add|del) (?:corruption|double add)")


_CHANGED = "The list was changed without its lock, or the entry was added to two lists."


_ENTRY_BYTES = 4
_X86_64_BITS = 57
_WIDE_DIGITS = 16
_TOP_BYTES = frozenset({0x00, 0x80, 0x90, 0x98, 0xA0, 0xA8, 0xC0, 0xE0, *range(0xF0, 0x100)})
"""With what a pointer of the kernel begins on any machine; arm64's tags are 0xf0 to 0xff."""


def _damage(message: str, arch: str | None) -> tuple[str, str] | None:
    if _POISONED.search(message):
        return None  # the rule on list poisons says it
    if _DOUBLE.search(message):
        return "the entry is on the list already", "It is added a second time: it would point to itself."
    if _NULL.search(message):
        return "the entry was never on a list", "Its pointers are NULL: it was zeroed or not set up."
    found = _WAS.match(message)
    if found is None:
        return None
    if found["value"] == found["neighbour"]:
        return "the neighbour points to itself", "It was taken off its list meanwhile, or set up anew."
    value = int(found["value"], 16)
    words = address_words(value, canonical_bits=_X86_64_BITS if arch == "x86_64" else None)
    words = words or _no_entry(value, len(found["value"]))
    if words is None:
        return "the neighbour points to another entry", _CHANGED
    link = found["link"].partition("->")[2]
    return f"the neighbour's {link} pointer is {words}", "Its memory is not its own any more."


def _no_entry(value: int, digits: int) -> str | None:
    """Say why no entry of a list can lie there, None where one may."""
    if digits == _WIDE_DIGITS and value >> 56 not in _TOP_BYTES:
        return f"{value:#x}, and no address looks like that: it was overwritten or freed"
    return f"{value:#x}, where no entry can lie" if value % _ENTRY_BYTES else None
