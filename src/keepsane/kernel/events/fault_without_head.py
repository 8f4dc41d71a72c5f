# SPDX-License-Identifier: GPL-2.0-or-later
"""
Faults of which only the registers are left that say why the processor stopped.

    status: 0000000200000120 badaddr: 0000000000000018 cause: 000000000000000d     riscv
    Cause : 00800008                                                               mips
    BadVA : 00000018

Source: arch/riscv/kernel/process.c, __show_regs(); arch/mips/kernel/traps.c, __show_regs().
"""

from __future__ import annotations

import re
from dataclasses import replace

from keepsane.kernel.events.backtrace import parse_backtrace
from keepsane.kernel.events.oops import parse_by_registers
from keepsane.kernel.log.block import Block, Opening, damage_of
from keepsane.model import Event

_LACKS = "the lines that say what happened are missing"
_RISCV_FAULTS = frozenset({0x1, 0x5, 0x7, 0xC, 0xD, 0xF})
_RISCV_KERNEL = 0x100
"""SPP: the fault came out of the kernel, not out of a program, whose registers are printed alike."""
_MIPS_FAULTS = frozenset({1, 2, 3, 19, 20})
_MIPS_USER = re.compile(r"Status: [0-9a-f]{8}\s{1,8}+.{0,40}\bUSER\b")
_STATUS = re.compile(r"status: (?P<status>[0-9a-f]{8,16}) badaddr: [0-9a-f]{8,16} cause: [0-9a-f]{8,16}\b")
_CAUSE = re.compile(r"Cause : [0-9a-f]{8}\b|BadVA : [0-9a-f]{8,16}\b")


def parse_riscv(block: Block) -> Event | None:
    """Read a fault of riscv's kernel by its cause, else only its trace, as of another trap or a program's."""
    told = block.find(_STATUS)
    kernel = told is not None and int(told["status"], 16) & _RISCV_KERNEL
    fault = _fault(block) if kernel and _value(block, "cause") in _RISCV_FAULTS else None
    return fault or parse_backtrace(block)


def parse_mips(block: Block) -> Event | None:
    """Read a fault of mips by its cause, else only its trace, as of another exception."""
    code = (_value(block, "Cause") or 0) >> 2 & 0x1F
    fault = _fault(block) if code in _MIPS_FAULTS and block.find(_MIPS_USER) is None else None
    return fault or parse_backtrace(block)


def _value(block: Block, name: str) -> int | None:
    return next((register.value for register in block.body.registers if register.name == name), None)


def _fault(block: Block) -> Event | None:
    fault = parse_by_registers(block)
    if fault is None:
        return None
    return replace(fault, damage="; ".join(filter(None, [_LACKS, damage_of(block)])))


OPENINGS = (
    Opening("riscv-registers", _STATUS, parse_riscv, alone=True),
    Opening("mips-registers", _CAUSE, parse_mips, alone=True),
)
