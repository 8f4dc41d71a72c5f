# SPDX-License-Identifier: GPL-2.0-or-later
"""
The instructions of a `Code:` line, so aligned that one starts at the byte that trapped.

    Code: 83 c4 08 c3 cc cc cc cc <0f> 0b 66 0f 1f 44 00 00

x86 instructions have no fixed length, and the line begins in the middle of one: decoded from its first
byte it may be nonsense; so it is, in half words, with Thumb and compressed riscv. Of the starts that lead to
the trapping byte the one with least nonsense is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from keepsane.model import Code, Instruction
from keepsane.symbols.lines.machines import MACHINES, Machine, open_machine

_NO_ADDRESS = 1 << 30  # stands for an unknown ip, on 32 bits too; targets are then said relative to it
_FAR_BYTES = 1 << 28


class _Piece(NamedTuple):
    start: int
    raw: bytes
    text: str | None  # None where the bytes are no instruction


class _Line(NamedTuple):
    decoder: Any
    machine: Machine
    base: int
    ip: int | None


def disassemble(code: Code, ip_address: int | None, arch: str | None) -> tuple[Instruction, ...]:
    """
    Decode the bytes of a `Code:` line: one of them starts at the marked byte and is `trapping`.

    `ip_address` is where the marked byte lay; without it the targets of jumps and calls are given as
    `ip+0x12`. `arch` is the machine of the report (kernel/log/architecture.py): None, or one that capstone
    does not know or that prints no such words, gives (), since bytes alone fit many. Bytes that are no
    instruction become `.byte 0x06` (`.inst` where words are printed). Where nothing before the marked byte
    leads to it, nothing is said about those bytes; without a mark the line decodes from its first byte, which
    is a guess where instructions vary in length, so that nothing is said at all.

    What the log itself has decoded, as on s390, stays as it is.

    Raises MissingExtraError where capstone is not installed.
    """
    if code.instructions:
        return code.instructions
    machine = MACHINES.get((arch or "", code.word_bytes))
    if machine is None or (code.trap_bytes is None and machine.varies):
        return ()
    trap = code.trap_bytes or 0
    base = (ip_address if ip_address is not None else _NO_ADDRESS) - trap
    line = _Line(open_machine(machine), machine, base, ip_address)
    pieces = [*_before(line, code.data, trap), *_decode(line, code.data, trap, len(code.data))]
    return tuple(
        Instruction(
            offset_bytes=piece.start - trap,
            raw=piece.raw,
            text=piece.text or _directive(piece.raw, code.word_bytes),
            trapping=piece.start == code.trap_bytes,
        )
        for piece in pieces
    )


def _before(line: _Line, data: bytes, trap: int) -> list[_Piece]:
    """What leads up to the trapping byte, from the start that makes the most sense."""
    machine = line.machine
    if not machine.varies:
        return _decode(line, data, 0, trap)
    # Each unit is tried once as a beginning; the starts then only follow the lengths.
    unit_bytes = machine.unit_bytes
    lengths = [_length_bytes(line, data[start:trap]) for start in range(trap)]
    starts = range(trap % unit_bytes, min(trap, machine.longest_bytes) + 1, unit_bytes)
    streams = [(_steps(lengths, start, unit_bytes), start) for start in starts]
    aligned = [(steps.count(0), start) for steps, start in streams if not steps or steps[-1]]
    # min() keeps the first of equals: the stream that covers the most bytes.
    return _decode(line, data, min(aligned)[1], trap) if aligned else []


def _length_bytes(line: _Line, data: bytes) -> int:
    """How long the instruction at the beginning of `data` is, 0 where there is none."""
    found = next(line.decoder.disasm_lite(data[: line.machine.longest_bytes], 0, 1), None)
    return found[1] if found is not None else 0


def _steps(lengths: Sequence[int], start: int, unit_bytes: int) -> list[int]:
    """The lengths met on the way from `start` to the end, 0 for a unit that begins no instruction."""
    steps = []
    while start < len(lengths):
        steps.append(lengths[start])
        start += lengths[start] or unit_bytes
    return steps


def _decode(line: _Line, data: bytes, start: int, end: int) -> list[_Piece]:
    """Everything from `start` to `end`, whole instructions and what is none."""
    pieces: list[_Piece] = []
    while start < end:
        found = next(line.decoder.disasm(data[start:end], (line.base + start) % (1 << 64), 1), None)
        if found is not None:
            pieces.append(_Piece(start, bytes(found.bytes), _text(line, found)))
        else:
            pieces.append(_Piece(start, _undecoded(line, data, start, end), None))
        start += len(pieces[-1].raw)
    return pieces


def _undecoded(line: _Line, data: bytes, start: int, end: int) -> bytes:
    # The line ends in the middle of an instruction as it begins in one: what is left is one cut instruction.
    unit_bytes = line.machine.unit_bytes
    if unit_bytes == 1 and end == len(data) and end - start < line.machine.longest_bytes:
        return data[start:]
    return data[start : start + unit_bytes]


def _text(line: _Line, found: Any) -> str:
    import capstone

    operands = found.op_str
    if found.group(capstone.CS_GRP_BRANCH_RELATIVE) or (
        line.machine.arch == "CS_ARCH_PPC" and found.group(capstone.CS_GRP_JUMP)
    ):
        before, comma, target = operands.rpartition(", ")
        operands = before + comma + _target(line, found.address, target)
    return f"{found.mnemonic} {operands}".rstrip()


def _target(line: _Line, address: int, target: str) -> str:
    """Say where a jump leads: as capstone does where the ip is known, else counted from the ip."""
    try:
        value = int(target.lstrip("#"), 0) + (address if line.machine.relative else 0)
    except ValueError:
        return target  # through a register
    distance = value - _NO_ADDRESS
    if line.ip is not None or abs(distance) > _FAR_BYTES:
        return hex(value % (1 << 64)) if line.machine.relative else target
    return f"ip{'-' if distance < 0 else '+'}{abs(distance):#x}"


def _directive(raw: bytes, unit_bytes: int) -> str:
    if unit_bytes > 1:
        return f".inst 0x{raw[::-1].hex()}"
    return ".byte " + ", ".join(f"{byte:#04x}" for byte in raw)
