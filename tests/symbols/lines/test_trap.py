# SPDX-License-Identifier: GPL-2.0-or-later
"""What the trapping instruction did to memory, against the manuals of the processors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.kernel.log.architecture import DECODED
from keepsane.kernel.log.code import parse_code
from keepsane.model import Code, Register, Trap
from keepsane.symbols.lines.machines import MACHINES
from keepsane.symbols.lines.trap import read_trap

pytest.importorskip("capstone")


def trap_of(code: str, arch: str, address: int | None = None, **registers: int) -> Trap | None:
    read = parse_code(f"Code: {code}", 1)
    assert read is not None
    known = tuple(Register(name, value, None) for name, value in registers.items())
    return read_trap(read, arch, known, address)


@pytest.mark.parametrize(
    ("code", "arch", "base", "index", "scale", "displacement", "access", "width_bytes"),
    [
        ("<48> 89 51 08", "x86_64", "rcx", None, 1, 8, "write", 8),
        ("<48> 8b 04 c8", "x86_64", "rax", "rcx", 8, 0, "read", 8),
        ("<0f> b6 47 f8", "x86_64", "rdi", None, 1, -8, "read", 1),
        ("<ff> 50 10", "x86_64", "rax", None, 1, 16, "read", 8),
        ("<8b> 40 0c", "i386", "eax", None, 1, 12, "read", 4),
        ("<89> 51 04", "i386", "ecx", None, 1, 4, "write", 4),
        ("(e5963000)", "arm", "r6", None, 1, 0, "read", 4),
        ("(e7932102)", "arm", "r3", "r2", 4, 0, "read", 4),
        ("(e5c32004)", "arm", "r3", None, 1, 4, "write", 1),
        ("(681b)", "arm", "r3", None, 1, 0, "read", 4),
        ("(e7132002)", "arm", "r3", "r2", -1, 0, "read", 4),
        ("(e4932004)", "arm", "r3", None, 1, 0, "read", 4),
        ("(e1930f9f)", "arm", "r3", None, 1, 0, "read", 4),
        ("(08dffc20)", "arm64", "x1", None, 1, 0, "read", 1),
        ("(b9800020)", "arm64", "x1", None, 1, 0, "read", 4),
        ("(f8408420)", "arm64", "x1", None, 1, 0, "read", 8),
        ("(a9400420)", "arm64", "x1", None, 1, 0, "read", 16),
        ("<f0> 48 0f b1 17", "x86_64", "rdi", None, 1, 0, "write", 8),
        ("(b9001001)", "arm64", "x0", None, 1, 16, "write", 4),
        ("(f8617800)", "arm64", "x0", "x1", 8, 0, "read", 8),
        ("(39400001)", "arm64", "x0", None, 1, 0, "read", 1),
        ("<ac820018>", "mips", "a0", None, 1, 24, "write", 4),
        ("<81230430>", "ppc", "r3", None, 1, 0x430, "read", 4),
        ("(6b9c)", "riscv", "a5", None, 1, 16, "read", 8),
    ],
)
def test_an_operand_is_taken_apart(
    code: str,
    arch: str,
    base: str,
    index: str | None,
    scale: int,
    displacement: int,
    access: str,
    width_bytes: int,
) -> None:
    trap = trap_of(code, arch)
    assert trap is not None
    assert (trap.base, trap.index, trap.scale) == (base, index, scale)
    assert (trap.displacement, trap.access, trap.width_bytes) == (displacement, access, width_bytes)


def test_of_two_operands_the_one_that_leads_to_the_address_is_taken() -> None:
    read = trap_of("<48> a5", "x86_64", 0x10, RSI=0x10, RDI=0xFFFF888100000000)
    written = trap_of("<48> a5", "x86_64", 0x10, RSI=0xFFFF888100000000, RDI=0x10)
    assert read is not None and (read.base, read.access) == ("rsi", "read")
    assert written is not None and (written.base, written.access) == ("rdi", "write")


@pytest.mark.parametrize("code", ["<0f> 0b", "<65> 48 8b 04 25 28 00 00 00", "<0f> 1f 40 00", "48 8b 40 08"])
def test_what_uses_no_memory_that_registers_show_is_none(code: str) -> None:
    assert trap_of(code, "x86_64") is None


def test_the_machines_that_are_said_to_be_decoded_are() -> None:
    assert {arch for arch, _ in MACHINES} == DECODED


@given(st.sampled_from(sorted(MACHINES)), st.binary(min_size=4, max_size=16), st.integers(0, 2**64 - 1))
def test_any_bytes_are_read(machine: tuple[str, int], data: bytes, address: int) -> None:
    arch, word_bytes = machine
    code = Code(line=1, data=data, trap_bytes=0, word_bytes=word_bytes)
    trap = read_trap(code, arch, (Register("RAX", address, None),), address)
    assert trap is None or trap.mnemonic
