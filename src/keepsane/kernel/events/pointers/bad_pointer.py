# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the pointer held that an instruction followed, where code and registers prove it.

    RAX: 0000000000000000    movq 0x80(%rax), %rdx         a member of a NULL structure
    RCX: 0000000000000003    movq %rdx, 8(%rcx)            3 is no pointer: a corrupted value
    RAX: 0, RCX: 168         movq (%rax,%rcx,8), %rax      an element of a NULL array
    EAX: fffffff4            movl 0xc(%eax), %eax          address 0: container_of() of NULL, or -ENOMEM
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from keepsane.kernel.events.oops import Oops
from keepsane.kernel.events.pointers.error_pointer import MAX_ERRNO, errno_words, is_errno
from keepsane.kernel.log.culprit import where
from keepsane.kernel.log.quote import quote_frame, quote_head, quote_line, quote_register, some
from keepsane.kernel.log.registers import LIST_POISONS, OLD_LIST_POISONS
from keepsane.kernel.log.trap_address import Pointer, member_name, member_words
from keepsane.model import Event, Register
from keepsane.report import Advice, Confidence, Evidence, Finding

MARKED = re.compile(r"[<(](?:[0-9a-f]{2}|[0-9a-f]{4}|[0-9a-f]{8})[>)]")
_ALIGNED_BYTES = 4
_STRUCTURE_BYTES = 1 << 20
"""No member lies farther in: what is added to a register then is the address of a table."""
_ARRAY_BYTES = 1 << 32
_MOVED_POISONS = frozenset({None, "x86_64", "arm64", "ppc64", "riscv"})
"""Machines with CONFIG_ILLEGAL_POINTER_VALUE, which is added to every poison (include/linux/poison.h)."""
_DONE = {"read": "read", "write": "written"}

Held = Literal["null", "element", "small", "negative", "pointer"]
"""What the base held: NULL, NULL with an index, a small number, one just below zero, an ordinary pointer."""


class _Said(NamedTuple):
    confidence: Confidence
    title: str
    why: str


def held(pointer: Pointer, *, limit_bytes: int) -> Held:
    """Say what the pointer was; of a sum without scale either part may be it, so that NULL is the pointer."""
    base = pointer.base.value if pointer.base else 0
    index = pointer.index.value if pointer.index else 0
    if _is_elsewhere(pointer, limit_bytes):
        return "pointer"
    if base == 0 or (pointer.index and index == 0 and pointer.trap.scale == 1 and base < limit_bytes):
        return "element" if base or index else "null"
    if base < limit_bytes:
        return "small"
    return "negative" if (1 << pointer.bits) - base <= MAX_ERRNO and not index else "pointer"


def _is_elsewhere(pointer: Pointer, limit_bytes: int) -> bool:
    """Tell whether the index or a fixed address is what points: `table(%rax)`, `(%rax,%rcx)` with RAX=0."""
    trap, index = pointer.trap, pointer.index.value if pointer.index else 0
    farthest_bytes = limit_bytes if trap.scale == 1 else _ARRAY_BYTES
    if index * trap.scale < 0 or index * trap.scale >= farthest_bytes:
        return True
    return abs(trap.displacement) >= (limit_bytes if pointer.base is None else _STRUCTURE_BYTES)


def done(event: Oops, pointer: Pointer | None = None) -> str:
    """Say what was done with it: by the processor's word, else the instruction's."""
    access = event.access or (pointer.trap.access if pointer else None)
    return _DONE.get(access or "", "used")


def from_instruction(
    event: Oops, pointer: Pointer, address: int, advice: tuple[Advice, ...], *, limit_bytes: int
) -> Iterator[Finding]:
    """Say what kind of bad pointer it was; nothing where it was none, as with a fault on a user's address."""
    what = held(pointer, limit_bytes=limit_bytes)
    if what in ("negative", "pointer") and (event.kind != "null-deref" or address >= limit_bytes):
        return
    said = _SENTENCES[what](event, pointer, address)
    yield Finding(
        severity="error",
        confidence=said.confidence,
        title=said.title,
        evidence=some(
            quote_head(event, "the address that faulted"),
            _user(event),
            quote_marked(event, pointer),
            *(quote_register(event, register, _note(register.value)) for register in pointer.registers),
        ),
        explanation=said.why + member_words(event),
        advice=advice,
    )


def _user(event: Oops) -> Evidence | None:
    """Quote where it happened; not twice, where the code is a file's and stands for the same line."""
    ip, code = event.ip, event.code
    if ip is None or (code is not None and code.line == ip.line):
        return None
    return quote_frame(event, ip, "who used it")


def quote_marked(event: Oops, pointer: Pointer) -> Evidence | None:
    """Quote the marked bytes of the `Code:` line with the instruction they are."""
    code = event.code
    if code is None:
        return None
    text = next((known.text for known in code.instructions if known.trapping), pointer.trap.mnemonic)
    return quote_line(event, code.line, text, MARKED)


def _note(value: int) -> str:
    return "the register is 0" if value == 0 else "what the register held"


def _sum(pointer: Pointer) -> str:
    """Write how the address came about: `RCX (0x3) + 0x8`."""
    parts = []
    if pointer.base is not None:
        parts.append(f"{pointer.base.name} ({pointer.base.value:#x})")
    if pointer.index is not None:
        times = f" * {pointer.trap.scale}" if pointer.trap.scale != 1 else ""
        parts.append(f"{pointer.index.name} ({pointer.index.value:#x}){times}")
    words = " + ".join(parts)
    offset_bytes = pointer.trap.displacement
    if not parts:
        return f"the fixed address {offset_bytes:#x}"
    return f"{words} {'-' if offset_bytes < 0 else '+'} {abs(offset_bytes):#x}" if offset_bytes else words


def _null(event: Oops, pointer: Pointer, address: int) -> _Said:
    offset_bytes = pointer.trap.displacement
    what = done(event, pointer)
    proof = f"The instruction used {_sum(pointer)}: "
    if offset_bytes < 0:
        title = f"what lies {-offset_bytes:#x} bytes before NULL was {what}{where(event)}"
        why = "the pointer was NULL, and something was expected before it, as container_of() finds it."
    elif offset_bytes:
        title = f"{_member(event, offset_bytes)} of a NULL structure was {what}{where(event)}"
        why = f"NULL + {offset_bytes:#x}. The structure was NULL, its member is {offset_bytes:#x} bytes in."
    else:
        title = f"NULL itself was {what}{where(event)}: a pointer, or the first member of a NULL structure"
        why = "the pointer itself was followed, or the first member behind it."
    return _Said("high", title, proof + why)


def _member(event: Event, offset_bytes: int) -> str:
    members = event.code.members if event.code is not None else ()
    if members and members[0].proven and members[0].offset_bytes == offset_bytes:
        return f"{member_name(members[0])},"
    return f"a member at offset {offset_bytes:#x}"


def _element(event: Oops, pointer: Pointer, address: int) -> _Said:
    number = max(register.value for register in pointer.registers)  # the other one is 0
    proof = f"The instruction used {_sum(pointer)}: "
    confidence: Confidence = "high" if pointer.base is not None else "medium"
    if pointer.trap.scale == 1:
        return _Said(
            confidence,
            f"NULL with an index of {number:#x} was {done(event, pointer)}{where(event)}",
            f"{proof}the pointer was NULL, and {number:#x} was added when the code ran: an index into a"
            " buffer, or an offset that was computed.",
        )
    return _Said(
        confidence,
        f"element {number:#x} of a NULL array was {done(event, pointer)}{where(event)}",
        f"{proof}the array was NULL, {address:#x} is where its element {number:#x} would be, and no member's"
        " offset.",
    )


def _small(event: Oops, pointer: Pointer, address: int) -> _Said:
    value = pointer.base.value if pointer.base else 0
    name = pointer.base.name if pointer.base else ""
    aligned = value % min(pointer.trap.width_bytes or _ALIGNED_BYTES, _ALIGNED_BYTES) == 0
    cause = (
        "a member's address in a NULL structure, or a corrupted value," if aligned else "a corrupted value"
    )
    more = (
        f" The caller may have passed the address of a member at {value:#x} of a NULL structure; otherwise"
        " something else was written where the pointer lies."
        if aligned
        else f" No object lies at {value:#x}, and no aligned member does: the pointer was overwritten or read"
        " from memory that is no longer what the code takes it for."
    )
    return _Said(
        "medium",
        f"the pointer was {value:#x}, not NULL: {cause} was followed{where(event)}",
        f"The instruction used {_sum(pointer)}: {name} held {value:#x}.{more}{_poison(event, value)}",
    )


def _poison(event: Oops, value: int) -> str:
    """Say where a small number is what list_del() writes: there where no poison is moved out of the way."""
    name = LIST_POISONS.get(value) if event.arch not in _MOVED_POISONS else None
    return f" list_del() writes {value:#x} ({name}) into an entry that it takes off its list." if name else ""


def poison_held(event: Oops) -> tuple[Register, str] | None:
    """
    Give the register with what list_del() writes, where that is a small number and explains the address.

    Without the instruction NULL and such an entry look alike: 0x104 is LIST_POISON1 and a pointer's size.
    """
    if event.arch in _MOVED_POISONS or event.address is None:
        return None
    wanted = {poison: name for poison, name in LIST_POISONS.items() if event.address - poison in (0, 4, 8)}
    held = (register for register in event.registers if register.value in wanted)
    return next(((register, wanted[register.value]) for register in held), None)


def is_like_poison(event: Oops) -> bool:
    """Tell whether NULL and a deleted list entry look alike, as long as no register is printed."""
    if event.arch in _MOVED_POISONS or event.address is None or event.registers:
        return False
    return any(event.address - poison in (0, 4, 8) for poison in LIST_POISONS)


def old_poison(event: Oops) -> str | None:
    """Name what list_del() wrote until 4.2, where that is the address that faulted and no poison is moved."""
    if event.arch in _MOVED_POISONS or event.address is None:
        return None
    address = event.address
    return next((name for poison, name in OLD_LIST_POISONS.items() if address - poison in (0, 4, 8)), None)


def _negative(event: Oops, pointer: Pointer, address: int) -> _Said:
    code = (1 << pointer.bits) - (pointer.base.value if pointer.base else 0)
    proof = (
        f"The instruction used {_sum(pointer)}, and {pointer.base.name if pointer.base else ''} was -{code}"
    )
    if address == 0:
        second = f", or else of the error pointer {errno_words(code)}," if is_errno(code) else ""
        return _Said(
            "medium",
            f"a member of container_of() of NULL{second} was {done(event, pointer)}{where(event)}",
            f"{proof}: the member's offset undoes it exactly, as it does where container_of() or list_entry()"
            " was given NULL and the same member is used."
            + (" An error code that was not checked with IS_ERR() looks the same." if second else ""),
        )
    if not is_errno(code):
        return _Said(
            "medium",
            f"container_of() of NULL was {done(event, pointer)}{where(event)}: NULL minus {code:#x} bytes",
            f"{proof}: that is no error code. container_of() and list_entry() subtract a member's offset,"
            " and give this where they are given NULL.",
        )
    return _Said(
        "medium",
        f"an error pointer was followed{where(event)}, not NULL: {errno_words(code)}",
        f"{proof}: {errno_words(code)}, an error code that was returned as a pointer and not checked with"
        " IS_ERR(). container_of() of NULL also gives small negative numbers.",
    )


def _ordinary(event: Oops, pointer: Pointer, address: int) -> _Said:
    return _Said(
        "medium",
        f"the pointer was not NULL: an index took it to {address:#x}{where(event)}",
        f"The instruction used {_sum(pointer)}: no part of it is NULL, their sum is small by chance. The"
        " index is wrong, or the pointer is.",
    )


_SENTENCES = {
    "null": _null,
    "element": _element,
    "small": _small,
    "negative": _negative,
    "pointer": _ordinary,
}
