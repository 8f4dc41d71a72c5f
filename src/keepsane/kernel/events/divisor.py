# SPDX-License-Identifier: GPL-2.0-or-later
"""What a division failed on: a divisor of zero, or a quotient that does not fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.oops import Oops
from keepsane.kernel.log.culprit import plain_name
from keepsane.kernel.log.quote import quote, quote_head, quote_register, some
from keepsane.kernel.log.trap_address import register_of
from keepsane.model import Register
from keepsane.report import Advice, Finding

_CODE = re.compile(r"Code: ")
_REGISTERS = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16)))
_X86 = ("x86_64", "i386")
_OPERAND_SIZE, _REX = 0x66, 0x40
_BYTE_DIVISION, _DIVISION = 0xF6, 0xF7
_DIV, _IDIV = 6, 7
"""The opcodes of DIV and IDIV, which the middle bits of the byte behind tell apart: Intel SDM, volume 2A."""


class Divisor(NamedTuple):
    """The register that a division divides by, and how many of its bits."""

    register: str
    bits: int


def divisor_of(code: bytes) -> Divisor | None:
    """
    Read the divisor of an x86 division in a register; None for another instruction, or one in memory.

    >>> divisor_of(bytes.fromhex("f7f1")), divisor_of(bytes.fromhex("49f7f8"))
    (Divisor(register='rcx', bits=32), Divisor(register='r8', bits=64))
    """
    narrow = code[:1] == bytes([_OPERAND_SIZE])
    rest = code[1:] if narrow else code
    rex = rest[0] if rest and rest[0] & 0xF0 == _REX else 0
    rest = rest[1:] if rex else rest
    if len(rest) < 2 or rest[0] not in (_BYTE_DIVISION, _DIVISION):
        return None
    mode, which, register = rest[1] >> 6, rest[1] >> 3 & 7, rest[1] & 7
    if mode != 3 or which not in (_DIV, _IDIV) or rest[0] == _BYTE_DIVISION:
        return None
    return Divisor(_REGISTERS[register | (rex & 1) << 3], 64 if rex & 8 else 16 if narrow else 32)


@rule("divisor-was-zero", on=Oops)
def divisor_was_zero(event: Oops) -> Iterator[Finding]:
    """
    The processor was asked to divide by zero, or to give a quotient that is too large for its register.

    What it means: a size, a count or a rate was zero that the code takes for granted: read from a device, a
    file system's superblock, a program's request. Or it became zero on the way: twice 2^31 is 0 in 32 bits.
    With a divisor that is not zero the quotient did not fit,
    as of a small divisor of a large number.

    How we know: the instruction of the `Code:` line says which register is the divisor, and the registers
    what it held.

    What to do: find where that number comes from, and refuse zero there.

    When it is wrong: a divisor in memory is not printed, and then nothing is said.
    """
    if event.kind != "divide-error":
        return
    code = event.code
    if code is None or code.trap_bytes is None or not event.registers:
        raise CannotTell("the instruction or the registers are not in the log")
    found = divisor_of(code.data[code.trap_bytes :]) if event.arch in _X86 else None
    register = register_of(event.registers, found.register) if found is not None else None
    if found is None or register is None:
        return
    zero = register.value & ((1 << found.bits) - 1) == 0
    where = f" in {plain_name(event.ip.function)}" if event.ip is not None and event.ip.function else ""
    yield Finding(
        severity="error",
        confidence="high",
        title=f"the divisor{where} was zero" if zero else f"the quotient{where} did not fit its register",
        evidence=some(
            quote(event, _CODE, "the division") or quote_head(event),
            quote_register(event, register, "the divisor"),
        ),
        explanation=_held(register, zero=zero),
        advice=(Advice(text="find where the divisor comes from, and refuse there what makes it so"),),
    )


def _held(register: Register, *, zero: bool) -> str:
    held = f"{register.name} held {register.value:#x}."
    return f"{held} It was given as zero, or became zero in the sum before." if zero else held
