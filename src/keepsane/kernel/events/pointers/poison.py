# SPDX-License-Identifier: GPL-2.0-or-later
"""Pointers that hold what the kernel writes over dead memory (include/linux/poison.h)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.oops import Oops
from keepsane.kernel.events.pointers.bad_pointer import old_poison, poison_held
from keepsane.kernel.log.culprit import culprit_of, where
from keepsane.kernel.log.machinery import SCHEDULER
from keepsane.kernel.log.quote import quote, quote_head, quote_register, some
from keepsane.kernel.log.registers import (
    FILLS,
    LIST_POISONS,
    OLD_LIST_POISONS,
    PAGE_BYTES,
    POISON_POINTER_DELTA,
    fill,
    list_poison,
)
from keepsane.kernel.log.trap_address import address_bits, member_words, pointer_of
from keepsane.model import Event, Register
from keepsane.report import Advice, Confidence, Evidence, Finding

_POISONS = LIST_POISONS | OLD_LIST_POISONS
_OTHER_MARKS = frozenset({0x40, 0x48, 0x300, 0x308, 0x400, 0x801})
"""Page pool, static timer, tail page, network: they share the upper bits and are no list."""

_FREED = frozenset(FILLS[byte] for byte in (0x6B, 0xCC, 0xAA))
_FAULTS = ("page-fault", "general-protection", "null-deref")
_FLAGS = re.compile(r"CR\d|.*FLAGS|ORIG_RAX")
_KASAN_RANGE = re.compile(r"KASAN: [\w -]{1,40} in range \[0x(?P<low>[0-9a-f]{1,16})-0x[0-9a-f]{1,16}\]")
_LIST_ENTRY_IS_POISON = re.compile(r"list_del corruption, \w+->(?:next|prev) is LIST_POISON[12]")
_LIST_NEIGHBOUR_IS_POISON = re.compile(
    r"list_(?:add|del) corruption\b.{0,60} but was dead000000000(?:100|122|200)\b"
)
_SLAB_DEBUG = Advice(
    text="have the kernel note who freed the object: boot with slub_debug=FZPU, or build it with KASAN",
    undo="boot without the parameter",
    verify="the next report says 'Freed by task' or 'Freed in'",
    risk="every allocation becomes slower and larger",
)


def faulting(event: Oops) -> int | None:
    """Give the address the code meant: KASAN's own sum of it where the report has one."""
    said = next((found for record in event.records if (found := _KASAN_RANGE.search(record.text))), None)
    if said is not None:
        return int(said["low"], 16)
    if event.address is None and event.ip is not None and event.ip.function is None:
        return event.ip.address
    return event.address


def freed(event: Oops, value: int) -> str | None:
    """Name the memory whose poison fills a value but for what a member's offset added to it."""
    name = fill(value, address_bits(event.arch))
    return name if name in _FREED else None


@rule("use-after-free-by-poison", on=Oops)
def use_after_free_by_poison(event: Oops) -> Iterator[Finding]:
    """
    A pointer was read from memory that had already been freed.

    What it means: the kernel overwrites freed memory with a pattern where slab or page debugging is on (0x6b
    in slab objects, 0xaa in pages, 0xcc in init memory). The code read a pointer from such an object and
    followed it: the object was used after its kfree().

    How we know: the address that faulted is that pattern, plus a small offset. Where the report gives no
    address (general protection faults before 5.5), a general register that holds the pattern is taken
    for it, with medium confidence.

    What to do: find the object the function holds and who frees it: a missing reference, a timer or work item
    not cancelled before the free, a lookup without the lock. KASAN or slub_debug=U name who freed it.

    When it is wrong: a pattern of equal bytes may be plain data that was taken for a pointer, and 0xcc and
    0xaa are likelier to be that than 0x6b. 0x5a, memory never written, is another fault and does not fire.
    """
    if event.kind not in _FAULTS:
        return
    address = faulting(event)
    if address is not None:
        memory = freed(event, address)
        if memory:
            yield _freed_finding(event, memory, address, "high" if memory == FILLS[0x6B] else "medium", None)
        return
    if event.kind != "general-protection":
        return
    register = next((known for known in _general(event) if freed(event, known.value)), None)
    if register is not None:
        yield _freed_finding(event, freed(event, register.value) or "", register.value, "medium", register)
    elif not event.registers:
        raise CannotTell("the report has neither the address that faulted nor its registers")


def _freed_finding(
    event: Oops, memory: str, value: int, confidence: Confidence, register: Register | None
) -> Finding:
    digits = address_bits(event.arch) // 4 + 2
    source = f"Register {register.name}" if register else "The address that faulted"
    return Finding(
        severity="error",
        confidence=confidence,
        title=f"a pointer out of {memory} was used{where(event)}",
        evidence=_evidence(event, value, register, memory),
        explanation=f"{source} is {value:#0{digits}x}, the pattern that the kernel leaves in {memory}."
        + member_words(event),
        advice=(_SLAB_DEBUG,),
        references=("include/linux/poison.h",),
    )


@rule("list-entry-used-after-deletion", on=Event)
def list_entry_used_after_deletion(
    event: Event, *, below_bytes: int = PAGE_BYTES, above_bytes: int = 0x2FF
) -> Iterator[Finding]:
    """
    An entry that list_del() had already taken off its list was used as if it were on it.

    What it means: list_del() writes LIST_POISON1 and LIST_POISON2 into the entry's pointers. Something kept a
    pointer to the entry and walked on from it, or deleted it a second time.

    How we know: the address that faulted is one of these values (0xdead000000000100, 0xdead000000000122), or
    near one where the code wanted a member of the structure around it; or the list checks say that an entry
    is poisoned. A register alone counts only where the report gives no address, with medium confidence. Some
    machines, all with 32 bits among them, do not move the poison away: 0x100 and 0x122 count where a register
    holds them and the address follows from it, and so do 0x100100 and 0x200200 (until 4.2) by themselves.

    What to do: look for a second list_del(), for a loop that deletes while it walks without
    list_for_each_entry_safe(), and for a list used without its lock. list_del_init() makes a second deletion
    harmless where it is meant.

    When it is wrong: other users of the same upper bits exist (tail pages 0xdead000000000400, static timers
    0x300, page pool 0x40); their exact values do not fire, but a member near them may look like a list's.
    """
    checked = quote(event, _LIST_ENTRY_IS_POISON, "this entry was deleted before")
    neighbour = quote(event, _LIST_NEIGHBOUR_IS_POISON, "its neighbour was deleted before")
    if checked or neighbour:
        yield _list_finding(
            event, "the kernel's own list check found the poison", "high", checked or neighbour
        )
    elif isinstance(event, Oops) and event.kind in _FAULTS:
        yield from _list_fault(event, below_bytes, above_bytes)


def _list_fault(event: Oops, below_bytes: int, above_bytes: int) -> Iterator[Finding]:
    address = faulting(event)
    if address is None and event.kind == "general-protection":
        register = next(
            (known for known in _general(event) if known.value - POISON_POINTER_DELTA in _POISONS), None
        )
        if register is not None:
            held = _POISONS[register.value - POISON_POINTER_DELTA]
            quoted = _evidence(event, register.value, register, held)
            yield _list_finding(event, f"register {register.name} holds {held}", "medium", *quoted)
    elif (old := old_poison(event)) is not None:
        yield _list_finding(event, f"the address that faulted is {old}", "high", quote_head(event, old))
    elif (small := poison_held(event)) is not None:
        register, held = small
        why = f"register {register.name} holds {held}, from which the address that faulted follows"
        yield _list_finding(event, why, "medium", *_evidence(event, register.value, register, held))
    elif address is not None:
        yield from _moved_poison(event, address, below_bytes, above_bytes)


def _moved_poison(event: Oops, address: int, below_bytes: int, above_bytes: int) -> Iterator[Finding]:
    """Judge an address with the upper bits of a poison: the register decides which one, if one holds it."""
    offset_bytes = address - POISON_POINTER_DELTA
    found = list_poison(address, _general(event))
    name = _list_word(offset_bytes, granule_bytes=8 if address != event.address else 1)
    if found is not None and found.register is not None:
        holder = f"register {found.register.name} holds {found.name}"
        why = f"{holder}: the address that faulted is {found.offset_bytes:#x} bytes further"
        quoted = _evidence(event, address, found.register, found.name)
        yield _list_finding(event, why, "high", *quoted)
    elif name:
        yield _list_finding(event, f"the address that faulted is {name}", "high", quote_head(event, name))
    elif -below_bytes <= offset_bytes <= above_bytes and offset_bytes not in _OTHER_MARKS:
        why = f"the address that faulted is near them: LIST_POISON1 {offset_bytes - 0x100:+#x}"
        yield _list_finding(event, why, "medium", quote_head(event, "near a list poison"))


def _list_word(offset_bytes: int, granule_bytes: int) -> str | None:
    """Name the poison where an address is it, or the second pointer of the list_head it was taken for."""
    for poison, name in _POISONS.items():
        if any(0 <= poison + link - offset_bytes < granule_bytes for link in (0, 8)):
            return name
    return None


def _list_finding(event: Event, why: str, confidence: Confidence, *quoted: Evidence | None) -> Finding:
    return Finding(
        severity="error",
        confidence=confidence,
        title=f"a list entry was used after its deletion{where(event)}",
        evidence=some(*quoted) or (quote_head(event),),
        explanation=f"list_del() leaves its poison in the entry's pointers, and {why}."
        + _whose(event)
        + member_words(event),
        references=("include/linux/poison.h", "include/linux/list.h, list_del()"),
    )


def _whose(event: Event) -> str:
    """Say where the function that crashed does not tell whose list it walked."""
    if (culprit_of(event) or "") not in SCHEDULER:
        return ""
    return " The scheduler works on the data of every task: which list it was cannot be told from this."


def _general(event: Event) -> tuple[Register, ...]:
    """Give the registers that may have held the pointer: those the instruction used, where it is decoded."""
    pointer = pointer_of(event, None)
    if pointer is not None and pointer.registers:
        return pointer.registers
    return tuple(register for register in event.registers if not _FLAGS.match(register.name))


def _evidence(event: Event, value: int, register: Register | None, note: str) -> tuple[Evidence, ...]:
    if register is None:
        kasan = quote(event, _KASAN_RANGE, "the address behind KASAN's shadow")
        return (kasan, quote_head(event)) if kasan else (quote_head(event, note),)
    return some(quote_head(event), quote_register(event, register, note))
