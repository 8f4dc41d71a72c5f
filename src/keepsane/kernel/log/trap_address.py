# SPDX-License-Identifier: GPL-2.0-or-later
"""
The address that a trapping instruction made, from the registers that the report prints.

    movq %rdx, 8(%rcx)   RCX: 0000000000000003    reaches 0xb, through a pointer that was 3 and not NULL
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from keepsane.kernel.log.registers import PAGE_BYTES
from keepsane.model import Event, Member, Register, Trap

_NARROW = frozenset({"i386", "arm", "ppc"})
_OTHER_NAMES = {"sb": "r9", "sl": "r10", "r11": "fp", "r12": "ip", "r13": "sp", "r14": "lr", "x30": "lr"}
"""A register that a disassembler and arm's dump call differently; arm64 says x29 for `fp`."""

_MIPS_NAMES = (
    "zero at v0 v1 a0 a1 a2 a3 t0 t1 t2 t3 t4 t5 t6 t7 s0 s1 s2 s3 s4 s5 s6 s7 t8 t9 k0 k1 gp sp fp ra"
)
_NUMBERED = {name: f"${number}" for number, name in enumerate(_MIPS_NAMES.split())}
"""What a disassembler calls the registers that the dump of mips numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """
    What the trapping instruction followed: `base` plus `index` times the scale plus the displacement.

    Each register with its printed value, None where the instruction has none; `bits` is the width of both.
    `address` is what faulted, as exactly as it is known.
    """

    trap: Trap
    address: int
    base: Register | None
    index: Register | None
    bits: int

    @property
    def registers(self) -> tuple[Register, ...]:
        """Give the registers that made the address."""
        return tuple(register for register in (self.base, self.index) if register is not None)


def is_page_only(arch: str | None) -> bool:
    """Tell whether a machine reports only the page that faulted: s390 leaves out the lower twelve bits."""
    return arch == "s390"


def address_bits(arch: str | None) -> int:
    """Give the width of an address on a machine, 64 where it is not known."""
    return 32 if arch in _NARROW else 64


def register_of(registers: Iterable[Register], name: str) -> Register | None:
    """Find a register by an instruction's name for it: `%r8` is R08, `sl` r10, `w2` the lower half of x2."""
    plain = name.lstrip("%$").lower()
    known: dict[str, Register] = {}
    for register in registers:
        known.setdefault(re.sub(r"\Ar0(?=\d)", "r", register.name.lower()), register)
    if re.fullmatch(r"w\d{1,2}", plain) and f"x{plain[1:]}" in known:
        whole = known[f"x{plain[1:]}"]
        return whole._replace(value=whole.value & 0xFFFFFFFF)
    if "$4" in known:
        return known.get(_NUMBERED.get(plain, ""))
    other = "x29" if plain == "fp" and "fp" not in known else _OTHER_NAMES.get(plain)
    return known.get(plain) or known.get(other or "")


def aim(trap: Trap, registers: Iterable[Register], arch: str | None) -> int | None:
    """Give the address that an instruction makes of the registers; None where one is not printed."""
    known = tuple(registers)
    total = trap.displacement
    for name, factor in ((trap.base, 1), (trap.index, trap.scale)):
        if name is None:
            continue
        register = register_of(known, name)
        if register is None:
            return None
        total += register.value * factor
    return total % (1 << address_bits(arch))


def reaches(trap: Trap, aimed: int | None, address: int, arch: str | None) -> bool:
    """Tell whether an access at `aimed` touches the address, on s390 the page, that was reported."""
    if aimed is not None and is_page_only(arch):
        return aimed & -PAGE_BYTES == address
    return aimed is not None and 0 <= address - aimed < (trap.width_bytes or 1)


def pointer_of(event: Event, address: int | None) -> Pointer | None:
    """
    Give what the report's instruction followed; None where the report does not prove it.

    The sum must be the `address` that faulted: else the code, the registers or the address are another's.
    """
    trap = event.code.trap if event.code is not None else None
    if trap is None:
        return None
    aimed = aim(trap, event.registers, event.arch)
    if aimed is None or (address is not None and not reaches(trap, aimed, address, event.arch)):
        return None
    base = register_of(event.registers, trap.base) if trap.base else None
    index = register_of(event.registers, trap.index) if trap.index else None
    known = aimed if address is None or is_page_only(event.arch) else address
    return Pointer(trap=trap, address=known, base=base, index=index, bits=address_bits(event.arch))


def member_name(member: Member) -> str:
    """Name a member as a kernel engineer would: `struct widget.value, offset 0x80`."""
    return f"{member.structure}.{member.path}, offset {member.offset_bytes:#x}"


def member_words(event: Event) -> str:
    """
    Say which member the instruction wanted, as a sentence with a blank before it; "" where nothing tells.

    What is not proven is called a guess: of several that fit each is named.
    """
    members = event.code.members if event.code is not None else ()
    if not members:
        return ""
    if members[0].proven:
        (member,) = members
        return f" It is {member_name(member)}: the pointer is {member.variable}, by the debug information."
    said = " or ".join(f"{member_name(member)}, through {member.variable}" for member in members)
    return f" By the types in scope it may be {said}; that is not proven."
