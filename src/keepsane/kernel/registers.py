# SPDX-License-Identifier: GPL-2.0-or-later
"""
Register dumps and what the values in them look like.

    RAX: 0000000000000000 RBX: 0000000000000005 RCX: 0000000000000000       x86-64, __show_regs()
    RSP: 0018:ff7a2e6bc0013bc0 EFLAGS: 00000246
    EAX: 00000000 EBX: f6a3c000                                             x86-32
    x29: ffff800012c3bc60 x28: ffff0000c0a1e1c0                             arm64, __show_regs()
    sp : ffff800012c3bc60

Addresses in words: include/linux/poison.h, mm/kasan, Documentation/arch/x86/x86_64/mm.rst.
"""

from __future__ import annotations

import re

from keepsane.model import Register

_PAIR = re.compile(
    r"\b(?P<name>[RE][A-D]X|[RE][SD]I|[RE][BS]P|R(?:0[89]|1[0-5])|CR[0234]|ORIG_RAX|EFLAGS|x[0-9]{1,2}|sp"
    r"|lr)\s?: "
    r"(?:[0-9a-f]{4}:)?(?P<value>[0-9a-f]{8,16})\b"
)
_LINE = re.compile(
    r"\s*(?:(?:R|E)(?:AX|DX|SP|BP|SI|DI|10|13)|ORIG_RAX|CS|CR[02]|DR[036]|FS|DS|PKRU|x\d+|sp|[rR]\d+"
    r"|pstate|ESI|MSR|Flags|Control|Stack|Table"
    r"|CFAR|CTR|GPR\d\d|gp|t\d|a\d|s\d+|status|ra|PGD|FAR|psr)\s?[:=] ?\S"
)

PAGE_BYTES = 4096
_POISON_POINTER_DELTA = 0xDEAD000000000000
_LIST_POISONS = (
    (0x100, "LIST_POISON1, the next pointer"),
    (0x122, "LIST_POISON2, the prev pointer"),
    (0x200, "LIST_POISON2, the prev pointer"),
    (0x100100, "LIST_POISON1, the next pointer"),
    (0x200200, "LIST_POISON2, the prev pointer"),
)
"""Offsets from POISON_POINTER_DELTA; 0x200 until 4.15, the last two until 4.2."""
_FILLS = {
    0x6B: "freed slab memory (POISON_FREE)",
    0x5A: "slab memory never written (POISON_INUSE)",
    0xCC: "freed init memory (POISON_FREE_INITMEM)",
    0xAA: "a freed page (PAGE_POISON)",
    0xBB: "the red zone of a free slab object (SLUB_RED_INACTIVE)",
    0xFE: "uninitialised stack or heap (a compiler's fill pattern)",
}
KASAN_SHADOW_BASE = 0xDFFFFC0000000000
_NON_CANONICAL = (0x0000800000000000, 0xFFFF7FFFFFFFFFFF)


def _fill(address: int) -> str | None:
    """Name the poison that fills the upper six bytes; a member's offset may have moved the lower two."""
    upper = set(address.to_bytes(8, "big")[:6])
    return _FILLS.get(upper.pop()) if len(upper) == 1 else None


def _list_poison(address: int) -> str | None:
    """Name a list poison; a member of the entry that is not there may lie a little above or below it."""
    offset_bytes = address - _POISON_POINTER_DELTA
    near = [(abs(offset_bytes - poison), name) for poison, name in _LIST_POISONS]
    distance, name = min(near)
    return f"a list poison ({name} of an entry already deleted)" if distance < 0x100 else None


def _near_null(address: int) -> str | None:
    if address == 0:
        return "NULL"
    if address < PAGE_BYTES:
        return f"NULL + {address:#x}: a member at offset {address:#x} of a NULL structure"
    if address > 2**64 - PAGE_BYTES:
        return f"an error pointer or a small negative offset from NULL ({address - 2**64})"
    return None


def _kasan_shadow(address: int) -> str | None:
    real = ((address - KASAN_SHADOW_BASE) << 3) & (2**64 - 1)
    if KASAN_SHADOW_BASE <= address < KASAN_SHADOW_BASE + PAGE_BYTES:
        return f"the KASAN shadow of {real:#x}: the checked access was to NULL + {real:#x}"
    return None


def address_in_words(address: int, *, canonical_bits: int = 48) -> str | None:
    """
    Say what a faulting address looks like; None where it looks like an ordinary address.

    `0x80` is "NULL + 0x80: a member at offset 0x80 of a NULL structure", `0x6b6b6b6b6b6b6be3` freed slab
    memory, `0xdead000000000100` a list poison. `canonical_bits` is 57 with five-level page tables.
    Source: include/linux/poison.h; arch/x86/kernel/traps.c, get_kernel_gp_address().
    """
    known = _near_null(address) or _fill(address) or _list_poison(address) or _kasan_shadow(address)
    if known:
        return known
    top = address >> (canonical_bits - 1)
    if top not in (0, (1 << (65 - canonical_bits)) - 1):
        return "a non-canonical address: no pointer of this machine looks like this"
    return None


def is_register_line(text: str) -> bool:
    """Tell whether a line belongs to a register dump of any architecture."""
    return _LINE.match(text) is not None


def parse_registers(text: str) -> tuple[Register, ...]:
    """
    Read the registers of one line; a line without any gives ().

    Flags and control registers are kept as numbers; a general register's value is put in words where it
    looks like NULL plus an offset, a poison or a non-canonical address. Zero stays a plain number.
    """
    return tuple(
        Register(found["name"], value, _meaning(found["name"], value))
        for found in _PAIR.finditer(text)
        for value in (int(found["value"], 16),)
    )


def _meaning(name: str, value: int) -> str | None:
    if name in {"EFLAGS", "CR0", "CR3", "CR4", "ORIG_RAX"} or value < PAGE_BYTES:
        return None
    return _fill(value) or _list_poison(value)
