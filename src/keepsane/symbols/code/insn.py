# SPDX-License-Identifier: GPL-2.0-or-later
"""
Instructions as far as a path through the code needs them: where control goes, and what an operand names.

capstone's text is read, not its details: those take ten times as long, and a trace needs whole functions.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Literal, NamedTuple

from keepsane.errors import MissingExtraError, SymbolError
from keepsane.symbols.binary.elf import EM_AARCH64, EM_X86_64

Flow = Literal["call", "indirect call", "jump", "conditional jump", "indirect jump", "return", "stop", ""]
"""Where an instruction leads: "" to the next one, "stop" nowhere, as a trap does."""

_RIP_MEMORY = re.compile(r"\[rip (?P<sign>[+-]) (?P<distance>0x[0-9a-f]{1,8}|\d{1,10})\]")
_FIXED_MEMORY = re.compile(r"\[(?:[a-z0-9]{2,4}\*[1248] )?(?P<sign>[+-]? ?)(?P<value>0x[0-9a-f]{8,16})\]")
_VALUE = re.compile(r"(?:^|, )#?(?P<value>-?0x[0-9a-f]{1,16}|\d{1,3})$")
_X86_STOPS = frozenset({"ud2", "ud1", "ud0", "hlt", "int3"})
_RETURNS = frozenset({"ret", "iretq", "sysretq", "retf", "sysexit", "eret", "iret", "retfq", "sysret"})
_ARM64_CONDITIONAL = frozenset({"cbz", "cbnz", "tbz", "tbnz"})
_ARM64_FLOWS: dict[str, Flow] = {
    "bl": "call",
    "blr": "indirect call",
    "b": "jump",
    "br": "indirect jump",
    "brk": "stop",
}
_ADDRESS = (1 << 64) - 1


class Decoder(NamedTuple):
    """An opened capstone for one machine."""

    machine: int
    capstone: Any


class Insn(NamedTuple):
    """
    One instruction: `value` is the address or number that it names, None for none.

    `value` is the target of a branch, memory at a fixed address, or else the last immediate operand.
    """

    address: int
    size_bytes: int
    mnemonic: str
    operands: str
    flow: Flow
    value: int | None

    @property
    def end(self) -> int:
        """Give the address behind the instruction: for a call, where it returns to."""
        return self.address + self.size_bytes

    @property
    def is_branch(self) -> bool:
        """Say whether its operand is the place where it leads."""
        return self.flow in ("call", "jump", "conditional jump")

    @property
    def text(self) -> str:
        """Give the instruction as a reader expects it."""
        return f"{self.mnemonic} {self.operands}".rstrip()


def open_decoder(machine: int) -> Decoder:
    """Open capstone for x86-64 or arm64; raises MissingExtraError without it, SymbolError for others."""
    try:
        import capstone
    except ImportError:
        raise MissingExtraError(
            "capstone is not installed, so calls cannot be read; install it with: "
            "pip install 'keepsane[symbols]'"
        ) from None
    if machine == EM_X86_64:
        opened = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    elif machine == EM_AARCH64:
        opened = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN)
    else:
        raise SymbolError("calls can be read in the code of x86-64 and arm64 alone")
    opened.skipdata = True
    return Decoder(machine, opened)


@cache
def open_at_and_t() -> Decoder:
    """Open capstone for x86-64 to write instructions as a reader expects them; not for reading operands."""
    opened = open_decoder(EM_X86_64)
    opened.capstone.syntax = 2  # CS_OPT_SYNTAX_ATT
    return opened


def decode(decoder: Decoder, code: bytes, address: int) -> tuple[Insn, ...]:
    """Disassemble bytes; what is no instruction becomes `.byte`, which leads nowhere."""
    understand = _x86 if decoder.machine == EM_X86_64 else _arm64
    return tuple(understand(*row) for row in decoder.capstone.disasm_lite(code, address))


def _x86(address: int, size_bytes: int, mnemonic: str, operands: str) -> Insn:
    name = mnemonic.rpartition(" ")[2]
    flow = _x86_flow(name, operands)
    return Insn(address, size_bytes, mnemonic, operands, flow, _value(address + size_bytes, operands))


def _x86_flow(name: str, operands: str) -> Flow:
    if name == "call":
        return "call" if operands.startswith("0x") else "indirect call"
    if name == "jmp":
        return "jump" if operands.startswith("0x") else "indirect jump"
    if name in _RETURNS:
        return "return"
    if name in _X86_STOPS or name == ".byte":
        return "stop"
    return "conditional jump" if name[0] == "j" or name.startswith("loop") else ""


def _arm64(address: int, size_bytes: int, mnemonic: str, operands: str) -> Insn:
    flow: Flow = ""
    if mnemonic in _ARM64_CONDITIONAL or mnemonic.startswith("b."):
        flow = "conditional jump"
    elif mnemonic in _RETURNS:
        flow = "return"
    else:
        flow = _ARM64_FLOWS.get(mnemonic, "")
    return Insn(address, size_bytes, mnemonic, operands, flow, _value(address + size_bytes, operands))


def _value(end: int, operands: str) -> int | None:
    if "0x" not in operands and "[rip" not in operands:
        return None
    found = _RIP_MEMORY.search(operands)
    if found:
        distance = int(found["distance"], 0)
        return (end + (-distance if found["sign"] == "-" else distance)) & _ADDRESS
    found = _FIXED_MEMORY.search(operands)
    if found:
        value = int(found["value"], 16)
        return (-value if "-" in found["sign"] else value) & _ADDRESS
    found = _VALUE.search(operands)
    return int(found["value"], 0) & _ADDRESS if found else None
