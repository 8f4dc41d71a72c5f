# SPDX-License-Identifier: GPL-2.0-or-later
"""
The instructions of a `Code:` line, so aligned that one starts at the byte that trapped.

    Code: 83 c4 08 c3 cc cc cc cc <0f> 0b 66 0f 1f 44 00 00

x86 instructions have no fixed length, and the line begins in the middle of one: decoded from its first
byte it may be nonsense. Of the starts that lead to the trapping byte the one with least nonsense is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from keepsane.errors import MissingExtraError
from keepsane.model import Code, Instruction

_LONGEST_X86_BYTES = 15
_NO_ADDRESS = 1 << 32  # stands for an unknown ip; targets are then said relative to it


class _Piece(NamedTuple):
    start: int
    raw: bytes
    text: str | None  # None where the bytes are no instruction


class _Machine(NamedTuple):
    decoder: Any
    unit_bytes: int
    base: int
    ip: int | None


def disassemble(code: Code, ip_address: int | None, arch: str | None) -> tuple[Instruction, ...]:
    """
    Decode the bytes of a `Code:` line: one of them starts at the marked byte and is `trapping`.

    `ip_address` is where the marked byte lay; without it the targets of jumps and calls are given as
    `ip+0x12`. `arch` is "x86_64" or "arm64"; None means what the printed words look like, and any other
    gives (). Bytes that are no instruction become `.byte 0x06` (`.inst` on arm64). Where nothing before the
    marked byte leads to it, nothing is said about those bytes; without a mark the line decodes from its
    first byte, which on x86 is a guess, so that nothing is said at all.

    Raises MissingExtraError where capstone is not installed.
    """
    arch = arch or ("x86_64" if code.word_bytes == 1 else "arm64")
    trap = code.trap_bytes if code.trap_bytes is not None or arch == "x86_64" else 0
    if trap is None or (arch, code.word_bytes) not in {("x86_64", 1), ("arm64", 4)}:
        return ()
    base = (ip_address if ip_address is not None else _NO_ADDRESS) - trap
    machine = _Machine(_decoder(arch), code.word_bytes, base, ip_address)
    pieces = [*_before(machine, code.data, trap), *_decode(machine, code.data, trap, len(code.data))]
    return tuple(
        Instruction(
            offset_bytes=piece.start - trap,
            raw=piece.raw,
            text=piece.text or _directive(piece.raw, code.word_bytes),
            trapping=piece.start == code.trap_bytes,
        )
        for piece in pieces
    )


def _decoder(arch: str) -> Any:
    try:
        import capstone
    except ImportError:
        raise MissingExtraError(
            "capstone is not installed, so Code: lines cannot be disassembled; install it with: "
            "pip install 'keepsane[symbols]'"
        ) from None
    if arch == "arm64":
        decoder = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN)
    else:
        decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        decoder.syntax = capstone.CS_OPT_SYNTAX_ATT  # as the kernel's own sources and objdump have it
    decoder.detail = True
    return decoder


def _before(machine: _Machine, data: bytes, trap: int) -> list[_Piece]:
    """What leads up to the trapping byte, from the start that makes the most sense."""
    if machine.unit_bytes > 1:
        return _decode(machine, data, 0, trap)
    # Each byte is tried once as a beginning; the starts then only follow the lengths.
    lengths = [_length_bytes(machine, data[start:trap]) for start in range(trap)]
    streams = [(_steps(lengths, start), start) for start in range(min(trap, _LONGEST_X86_BYTES) + 1)]
    aligned = [(steps.count(0), start) for steps, start in streams if not steps or steps[-1]]
    # min() keeps the first of equals: the stream that covers the most bytes.
    return _decode(machine, data, min(aligned)[1], trap) if aligned else []


def _length_bytes(machine: _Machine, data: bytes) -> int:
    """How long the instruction at the beginning of `data` is, 0 where there is none."""
    found = next(machine.decoder.disasm_lite(data[:_LONGEST_X86_BYTES], 0, 1), None)
    return found[1] if found is not None else 0


def _steps(lengths: Sequence[int], start: int) -> list[int]:
    """The lengths met on the way from `start` to the end, 0 for a byte that begins no instruction."""
    steps = []
    while start < len(lengths):
        steps.append(lengths[start])
        start += lengths[start] or 1
    return steps


def _decode(machine: _Machine, data: bytes, start: int, end: int) -> list[_Piece]:
    """Everything from `start` to `end`, whole instructions and what is none."""
    pieces: list[_Piece] = []
    while start < end:
        found = next(machine.decoder.disasm(data[start:end], (machine.base + start) % (1 << 64), 1), None)
        if found is not None:
            pieces.append(_Piece(start, bytes(found.bytes), _text(machine, found)))
        else:
            pieces.append(_Piece(start, _undecoded(machine, data, start, end), None))
        start += len(pieces[-1].raw)
    return pieces


def _undecoded(machine: _Machine, data: bytes, start: int, end: int) -> bytes:
    # The line ends in the middle of an instruction as it begins in one: what is left is one cut instruction.
    if machine.unit_bytes == 1 and end == len(data) and end - start < _LONGEST_X86_BYTES:
        return data[start:]
    return data[start : start + machine.unit_bytes]


def _text(machine: _Machine, found: Any) -> str:
    import capstone

    operands = found.op_str
    if machine.ip is None and found.group(capstone.CS_GRP_BRANCH_RELATIVE):
        before, comma, target = operands.rpartition(", ")
        distance = int(target.lstrip("#"), 0) - _NO_ADDRESS
        operands = f"{before}{comma}ip{'-' if distance < 0 else '+'}{abs(distance):#x}"
    return f"{found.mnemonic} {operands}".rstrip()


def _directive(raw: bytes, unit_bytes: int) -> str:
    if unit_bytes > 1:
        return f".inst 0x{raw[::-1].hex()}"
    return ".byte " + ", ".join(f"{byte:#04x}" for byte in raw)
