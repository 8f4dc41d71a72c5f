# SPDX-License-Identifier: GPL-2.0-or-later
"""
Register dumps and what the values in them look like.

    RAX: 0000000000000000 RBX: 0000000000000005 RCX: 0000000000000000       x86-64, __show_regs()
    RSP: 0018:ff7a2e6bc0013bc0 EFLAGS: 00000246
    EAX: 00000000 EBX: f6a3c000                                             x86-32; small letters in 2.6
    x29: ffff800012c3bc60 x28: ffff0000c0a1e1c0                             arm64, __show_regs()
    sp : ffff800012c3bc60
    Register r0 information: slab inode_cache start c1c0f0c8 pointer offset 8 size 512      arm, since 5.12
    r10: 00000000  r9 : c7a3a000  r8 : c0a0b0c0                             arm, __show_regs()
    $ 4   : 8f0c0000 00000001 8f0c1e40 00000000                             mips: $4 to $7
    GPR04: c7a3bd10 c7a3a000 00000000 00000001 c0a0b0c0 00000000 ...        powerpc: r4 to r11, or to r7
     gp : ffffffff81d0c0a0 tp : ff6000000203a000 t0 : 0000000000000000      riscv, __show_regs()
    NIP:  c0312044 LR: c0312100 CTR: 00000000                               powerpc
    pc ffff800002170044 ra ffff800002170100 tp 900000010a8c4000             loongarch, __show_regs()
    Krnl GPRS: 0000000000000000 0000000000000001 0000000000000002 000003ff8008c020      s390, show_registers()
               0000000000000004 0000000000000000 0000000000000000 0000000081f3c000      r4 to r7

Addresses in words: include/linux/poison.h, mm/kasan, Documentation/arch/x86/x86_64/mm.rst.
What they mean is said only where it is certain: an address that has no words may still be a bad one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from keepsane.model import Register

_PAIR = re.compile(
    r"\b(?P<name>e[a-d]x|e[sd]i|e[bs]p|[RE][A-D]X|[RE][SD]I|[RE][BS]P|R(?:0?[0-9]|1[0-5])|CR[0234]|ORIG_RAX|EFLAGS"
    r"|x[0-9]{1,2}|sp|lr|r(?:1[0-2]|[0-9])|fp|ip|ra|gp|tp|t[0-6]|a[0-7]|s(?:1[01]|[0-9])|LR|CTR)\s?: "
    r"(?:[0-9a-f]{4}:)?(?:\[<)?(?P<value>[0-9a-fA-F]{8,16})\b"
)
_LINE = re.compile(
    r"\s*(?:e(?:[a-d]x|si)|(?:R|E)(?:[A-D]X|SP|BP|SI|DI)|R(?:08|09|1[0-5])|ORIG_RAX|CS|CR[02]|DR[036]|FS|DS|PKRU|x\d{1,20}|sp"
    r"|[rR]\d{1,20}|pstate|ESI|MSR|Flags|Control|Stack|Table"
    r"|CFAR|CTR|GPR\d\d|gp|t\d|a\d|s\d{1,20}|status|ra|PGD|FAR|psr|NIP|DAR|DEAR|Hi|Lo|Status|Cause|BadVA|PrId"
    r"|CRMD|PRMD|EUEN|ECFG|ESTAT|BADV|PRID|TEID|AS)\s{0,4}[:=] {0,4}\S"
)

_ROW = re.compile(
    r"\s{0,20}(?P<kind>\$|GPR|Krnl GPRS) ?(?P<first>\d{0,2}) {0,3}: "
    r"(?P<values>[0-9a-f]{8,16}(?: {1,2}[0-9a-f]{8,16}){0,7})"
)
_NEXT_ROW = re.compile(r"\s{8,20}(?P<values>[0-9a-f]{16}(?: [0-9a-f]{16}){3})\s*+$")
_LOONGARCH = re.compile(r"(?:pc|a[04]|t[048]|s[15]) [0-9a-f]{16} (?:ra|a[15]|t[15]|u0|s[26]) [0-9a-f]{16} ")
_UNMARKED = re.compile(r"\b(?P<name>pc|ra|tp|sp|u0|[ast]\d) (?P<value>[0-9a-f]{16})\b")
PAGE_BYTES = 4096
POISON_POINTER_DELTA = 0xDEAD000000000000
LIST_POISONS = {
    0x100: "LIST_POISON1, the next pointer",
    0x122: "LIST_POISON2, the prev pointer",
    0x200: "LIST_POISON2, the prev pointer",
}
"""What list_del() writes into an entry, as offsets from POISON_POINTER_DELTA; 0x200 until 4.15."""
OLD_LIST_POISONS = {0x100100: LIST_POISONS[0x100], 0x200200: LIST_POISONS[0x200]}
"""The same until 4.2."""
_LIST_REACH_BYTES = 0x3F
"""How far from a list poison a member of the entry may lie: what is farther off is another mark."""
_OTHER_POISONS = {
    0x40: "the page pool's signature (PP_SIGNATURE): the page belongs to a page pool",
    0x300: "the mark of a static timer (TIMER_ENTRY_STATIC)",
    0x400: "the mapping of a tail page (TAIL_MAPPING)",
}
"""Offsets from POISON_POINTER_DELTA of marks that are no list's; the word behind counts as well."""
FILLS = {
    0x6B: "freed slab memory (POISON_FREE)",
    0x5A: "slab memory never written (POISON_INUSE)",
    0xCC: "freed init memory (POISON_FREE_INITMEM)",
    0xAA: "a freed page (PAGE_POISON)",
    0xBB: "the red zone of a free slab object (SLUB_RED_INACTIVE)",
    0xFE: "uninitialised stack or heap (a compiler's fill pattern)",
}
_NARROW_BITS = 32
_NARROW_FILLS = (0x6B, 0x5A, 0xAA)
"""Those that are no address of the kernel where it begins at 0xc0000000."""
KASAN_SHADOW_BASE = 0xDFFFFC0000000000
"""KASAN_SHADOW_OFFSET of x86-64."""
_USER_SHADOW_BYTES = 1 << 44
"""The shadow of the lower half of the address space with four-level page tables."""


def fill(address: int, bits: int = 64) -> str | None:
    """
    Name the poison that fills the upper six bytes; a member's offset may have moved the lower two.

    Of 32 `bits` it fills all four, but for what a member's offset adds: other bytes repeat in good pointers.
    """
    if bits == _NARROW_BITS:
        narrow = (byte for byte in _NARROW_FILLS if 0 <= address - byte * 0x01010101 + 0x100 < PAGE_BYTES)
        return next((FILLS[byte] for byte in narrow), None)
    upper = set(address.to_bytes(8, "big")[:6])
    return FILLS.get(upper.pop()) if len(upper) == 1 else None


class ListPoison(NamedTuple):
    """
    The list poison that an address comes from, and how far it lies behind.

    `register` held it; None where it is only the nearest one.
    """

    name: str
    offset_bytes: int
    register: Register | None


def list_poison(address: int, registers: Iterable[Register] = ()) -> ListPoison | None:
    """
    Say which list poison an address comes from: the one that a register holds, else the nearest.

    `0xdead000000000120` is LIST_POISON1 + 0x20 where a register holds 0xdead000000000100. Where registers
    hold both, and neither is followed as a list's own pointers are, none of them proves it.
    """
    poisons = LIST_POISONS | OLD_LIST_POISONS
    held = [
        ListPoison(poisons[one.value - POISON_POINTER_DELTA], address - one.value, one)
        for one in registers
        if one.value - POISON_POINTER_DELTA in poisons and 0 <= address - one.value < PAGE_BYTES
    ]
    own = [one for one in held if one.offset_bytes in _LINKS_BYTES]
    if own or len({one.name for one in held}) == 1:
        return (own or held)[0]
    offset_bytes = address - POISON_POINTER_DELTA
    distance, poison = min((abs(offset_bytes - poison), poison) for poison in poisons)
    return ListPoison(poisons[poison], offset_bytes - poison, None) if distance <= _LIST_REACH_BYTES else None


_LINKS_BYTES = (0, 8)
"""Where in an entry its own pointers lie."""


def _list_poison(address: int, registers: Iterable[Register] = (), *, granule_bytes: int = 1) -> str | None:
    """
    Name a list poison or another mark with its upper bits; a list entry's member may lie near it.

    Of a shadow only `granule_bytes` are told apart.
    """
    offset_bytes = address - POISON_POINTER_DELTA
    other = _OTHER_POISONS.get(offset_bytes & ~8)
    if other:
        return other
    found = list_poison(address, registers)
    if found is None:
        return None
    if any(0 <= link - found.offset_bytes < granule_bytes for link in _LINKS_BYTES):
        return f"a list poison ({found.name} of an entry already deleted)"
    if found.register is not None:
        return f"a list poison + {found.offset_bytes:#x} ({found.name} of an entry already deleted)"
    return "near the list poisons of an entry already deleted"


def _near_null(address: int) -> str | None:
    if address == 0:
        return "NULL"
    if address < PAGE_BYTES:
        return f"NULL + {address:#x}: in the first page, where no object lies"
    if address > 2**64 - PAGE_BYTES:
        return f"an error pointer or a small negative offset from NULL ({address - 2**64})"
    return None


def _kasan_shadow(address: int, *, anywhere: bool) -> str | None:
    """Say which access an address is the shadow of; `anywhere` where the kernel certainly has KASAN."""
    offset_bytes = address - KASAN_SHADOW_BASE
    if offset_bytes < 0 or not (anywhere or offset_bytes < _USER_SHADOW_BYTES):
        return None
    real = (offset_bytes << 3) & (2**64 - 1)
    if offset_bytes < PAGE_BYTES:
        return f"the KASAN shadow of {real:#x}: the checked access was to NULL + {real:#x}"
    held = fill(real) or _list_poison(real, granule_bytes=8)
    return f"the KASAN shadow of {real:#x}" + (f": {held}" if held else "")


def address_words(
    address: int,
    *,
    canonical_bits: int | None = None,
    kasan: bool = False,
    registers: Iterable[Register] = (),
    bits: int = 64,
) -> str | None:
    """
    Say what a faulting address looks like; None where it looks like an ordinary address.

    `0x80` is "NULL + 0x80: in the first page, where no object lies", `0x6b6b6b6b6b6b6be3` freed slab
    memory, `0xdead000000000100` a list poison. Only where `canonical_bits` is given (48 or 57, for a general
    protection fault on x86-64) may an address be called non-canonical; what is none on x86-64 is a good
    pointer of other machines. `kasan` says that such a fault was in a kernel with KASAN.
    `registers` tell which list poison it was, `bits` (32 or 64) how wide an address is.
    Source: include/linux/poison.h; arch/x86/kernel/traps.c, get_kernel_gp_address().
    """
    known = _near_null(address) or fill(address, bits) or _list_poison(address, registers)
    bad = canonical_bits is not None and not is_canonical(address, canonical_bits)
    known = known or _kasan_shadow(address, anywhere=kasan and bad)
    if known or not bad:
        return known
    return "a non-canonical address: no pointer of this machine looks like this"


def is_canonical(address: int, bits: int) -> bool:
    """Tell whether all bits above the significant ones (48 or 57) are alike, as x86-64 wants."""
    return address >> (bits - 1) in (0, (1 << (65 - bits)) - 1)


def is_register_line(text: str) -> bool:
    """Tell whether a line belongs to a register dump of any architecture."""
    return bool(_LINE.match(text) or _ROW.match(text) or _LOONGARCH.match(text))


def parse_registers(text: str) -> tuple[Register, ...]:
    """
    Read the registers of one line; a line without any gives ().

    Flags and control registers are kept as numbers; a general register's value is put in words where it
    is a poison.
    """
    row = _ROW.match(text)
    if row is not None:
        return _read(_numbered(row["values"], "$" if row["kind"] == "$" else "r", int(row["first"] or "0")))
    pattern = _UNMARKED if _LOONGARCH.match(text) else _PAIR
    return _read((found["name"], found["value"]) for found in pattern.finditer(text))


def with_object(registers: Sequence[Register], text: str, name: str | None) -> list[Register] | None:
    """
    Add to a register in which object it points; None where a line does not say it.

    The line names the register, or follows one that did and `name` is what that said. Of a register that
    points to no slab object nothing is kept. Source: mm/slab_common.c, kmem_dump_obj();
    arch/arm/kernel/process.c, __show_regs_alloc_free().
    """
    said = _ABOUT.match(text)
    found = _OBJECT.match(said["what"] if said else text)
    name = said["name"] if said else name if found else None
    if name is None:
        return None
    words = _object_words(found) if found else None
    return [one._replace(meaning=words) if words and one.name == name else one for one in registers]


def named_before(text: str) -> str | None:
    """Give the register that a line names whose object the next line says, as up to 5.13."""
    said = _ABOUT.match(text)
    return said["name"] if said and not said["what"].strip() else None


_ABOUT = re.compile(r"Register (?P<name>\w{1,3}) information:(?P<what>.{0,200})$")
_OBJECT = re.compile(
    r" {1,4}slab(?:/vmalloc)? (?P<cache>[\w:.-]{1,64}) start \w{1,16} (?:data offset \d{1,9} )?"
    r"pointer offset (?P<offset>\d{1,9})(?: size (?P<size>\d{1,9}))?"
)


def _object_words(found: re.Match[str]) -> str:
    size = f", which has {found['size']}" if found["size"] else ""
    return f"in an object of the slab cache {found['cache']}, {found['offset']} bytes into it{size}"


def parse_next_row(text: str, have: Iterable[Register]) -> tuple[Register, ...]:
    """Read a further row of s390, which says no number: those it follows are among the registers one has."""
    row = _NEXT_ROW.match(text)
    known = sum(register.name[:1] == "r" and register.name[1:].isdigit() for register in have) if row else 0
    return _read(_numbered(row["values"], "r", known)) if row and 0 < known < _S390_REGISTERS else ()


_S390_REGISTERS = 16


def _read(pairs: Iterable[tuple[str, str]]) -> tuple[Register, ...]:
    return tuple(
        Register(name, value, _meaning(name, value, 4 * len(printed)))
        for name, printed in pairs
        for value in (int(printed, 16),)
    )


def _numbered(values: str, letter: str, first: int) -> Iterator[tuple[str, str]]:
    """Name the values of a row whose first one alone is numbered: mips `$4`, powerpc `r4`."""
    for number, printed in enumerate(values.split(), first):
        yield f"{letter}{number}", printed


def _meaning(name: str, value: int, bits: int) -> str | None:
    if name in {"EFLAGS", "CR0", "CR3", "CR4", "ORIG_RAX"} or value < PAGE_BYTES:
        return None
    return fill(value, bits) or _list_poison(value)
