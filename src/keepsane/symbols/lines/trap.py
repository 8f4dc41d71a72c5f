# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the instruction that trapped did to memory: which registers made the address, and how.

    <48> 89 51 08        movq %rdx, 8(%rcx): a write of 8 bytes at RCX + 8
    (e5963000)           ldr r3, [r6]: a read of 4 bytes at R6
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from keepsane.kernel.log.trap_address import aim, reaches
from keepsane.model import Access, Code, Register, Trap
from keepsane.symbols.lines.machines import MACHINES, Machine, open_machine

_UNACCESSED = re.compile(r"lea|nop|prefetch|prfm|pld|adr|cache|pref|dcb|icb")
_STORES = re.compile(r"(?:c\.)?(?:st|fs[dw]|s[bhwd]|s[dw]c1|s[dw][lr])|push")
_WIDTH = re.compile(r"(?:c\.)?(?:str?|ldr?|lds|f?[ls])(?P<letter>[bhwd])")
_BEHIND = re.compile(r"(?P<distance>0x[0-9a-f]{1,4}|\d{1,4})\((?P<base>\w{2,3})\)$")
_ARM_WIDTH = re.compile(r"(?:ld|st)(?:[rpa]|u|t|n|l|x|e){1,5}s?(?P<letter>[bhwd])?t?")
_WIDTH_BYTES = {"b": 1, "h": 2, "w": 4, "d": 8}
_REGISTER_BYTES = {"w": 4, "s": 4, "x": 8, "d": 8, "q": 16}
_S390_ADDRESSES = re.compile(r"la[ey]?y?$|larl|s[lr][la]|b")
"""Of s390: what only makes an address, shifts by one, or branches to it."""
_S390_STORES = re.compile(r"st|mv|[nox][ci]y?$|cs|a[lg]?[lg]?si|tr$")
_S390_WIDTH_BYTES = {
    "lg": 8,
    "stg": 8,
    "ltg": 8,
    "l": 4,
    "ly": 4,
    "lt": 4,
    "st": 4,
    "sty": 4,
    "lgf": 4,
    "llgf": 4,
}
_READ, _WRITE = 1, 2  # capstone's CS_AC_READ and CS_AC_WRITE


def read_trap(
    code: Code, arch: str | None, registers: tuple[Register, ...], address: int | None
) -> Trap | None:
    """
    Read the memory operand of the marked instruction; of two the one that leads to `address`.

    None where none is marked, where it uses no memory, or memory behind a segment's base (`%gs:0x28`), which
    no register shows. Raises MissingExtraError where capstone is not installed.
    """
    machine = MACHINES.get((arch or "", code.word_bytes))
    if machine is None or code.trap_bytes is None:
        return None
    decoder = open_machine(machine)
    found = next(decoder.disasm(code.data[code.trap_bytes :][: machine.longest_bytes], 0, 1), None)
    if found is None or _is_unaccessed(machine, found.mnemonic):
        return None
    traps = list(_traps(machine, found)) or list(_compressed(found))
    leading = (
        trap
        for trap in traps
        if address is not None and reaches(trap, aim(trap, registers, arch), address, arch)
    )
    return next(leading, traps[0] if traps else None)


def _is_unaccessed(machine: Machine, mnemonic: str) -> bool:
    if machine.big_endian:
        return _S390_ADDRESSES.match(mnemonic) is not None
    return _UNACCESSED.match(mnemonic) is not None


def _traps(machine: Machine, found: Any) -> Iterator[Trap]:
    import capstone

    x86 = machine.arch == "CS_ARCH_X86"
    for operand in found.operands:
        if operand.type != capstone.CS_OP_MEM or (x86 and _is_segment_based(found, operand)):
            continue
        index = getattr(operand.mem, "index", 0)
        yield Trap(
            mnemonic=found.mnemonic,
            base=_name(machine, found, operand.mem.base),
            index=_name(machine, found, index),
            scale=_scale(operand) if index else 1,
            displacement=operand.mem.disp,
            access=_x86_access(found, operand) if x86 else _access(machine, found.mnemonic),
            width_bytes=operand.size if x86 else _width_bytes(machine, found),
        )


def _compressed(found: Any) -> Iterator[Trap]:
    """Read a compressed riscv access, `c.ld a5, 0x10(a5)`: capstone knows its parts as plain operands."""
    operand = _BEHIND.search(found.op_str) if found.mnemonic.startswith("c.") else None
    said = _WIDTH.match(found.mnemonic)
    if operand is not None and said is not None:
        yield Trap(
            mnemonic=found.mnemonic,
            base=operand["base"],
            index=None,
            scale=1,
            displacement=int(operand["distance"], 0),
            access="write" if _STORES.match(found.mnemonic) else "read",
            width_bytes=_WIDTH_BYTES[said["letter"]],
        )


def _is_segment_based(found: Any, operand: Any) -> bool:
    return bool(operand.mem.segment) and found.reg_name(operand.mem.segment) in ("fs", "gs")


def _scale(operand: Any) -> int:
    """Give what the index is multiplied by: x86 says it, arm and arm64 shift, arm may also subtract."""
    scale = int(getattr(operand.mem, "scale", 1)) or 1
    shift = getattr(operand, "shift", None)
    if shift is not None and 0 < shift.value < 5:
        scale <<= shift.value
    return -scale if getattr(operand, "subtracted", False) else scale


def _x86_access(found: Any, operand: Any) -> Access:
    if found.mnemonic.startswith("lock "):
        return "write"  # so the processor reports it, whatever comes of the comparison
    return "write" if operand.access & _WRITE else "read" if operand.access & _READ else None


def _name(machine: Machine, found: Any, register: int) -> str | None:
    """Name a register as the instruction writes it; s390 has numbers for names."""
    return (
        (f"%r{found.reg_name(register)}" if machine.big_endian else found.reg_name(register))
        if register
        else None
    )


def _access(machine: Machine, mnemonic: str) -> Access:
    if machine.big_endian:
        return "write" if _S390_STORES.match(mnemonic) else "read"
    if mnemonic.startswith(("amo", "swp", "cas", "ldadd", "lr.", "sc.")):
        return None
    return "write" if _STORES.match(mnemonic) else "read"


def _width_bytes(machine: Machine, found: Any) -> int | None:
    """Give the bytes that one load or store touches, None where its name does not tell."""
    if machine.big_endian:
        return _S390_WIDTH_BYTES.get(found.mnemonic)
    mnemonic = found.mnemonic.partition(".")[0] if "ARM" in machine.arch else found.mnemonic
    if "ARM" not in machine.arch:
        said = _WIDTH.match(mnemonic)
        return _WIDTH_BYTES[said["letter"]] if said else None
    said = _ARM_WIDTH.fullmatch(mnemonic)
    if said is None:
        return None
    if said["letter"]:
        return _WIDTH_BYTES[said["letter"]]
    known = 4 if machine.arch == "CS_ARCH_ARM" else _REGISTER_BYTES.get(found.op_str[:1])
    return known * 2 if known and mnemonic.endswith("p") else known
