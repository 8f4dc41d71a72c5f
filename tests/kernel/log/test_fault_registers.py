# SPDX-License-Identifier: GPL-2.0-or-later
"""
Why a processor stopped, against the manuals.

Arm ARM: DFSR and ESR_EL1; MIPS64 PRA: Cause; RISC-V privileged: scause; z/Architecture PoP: program
interruptions and the TEID; Power ISA III: interrupt vectors and DSISR; LoongArch manual: CSR.ESTAT.
"""

from __future__ import annotations

import pytest

from keepsane.kernel.log.fault_registers import access_of, address_of, parse_fault_registers


@pytest.mark.parametrize(
    ("line", "name", "words", "access"),
    [
        ("  ESR = 0x0000000096000044", "ESR", "at a write: translation fault, level 0", "write"),
        ("  ESR = 0x96000007", "ESR", "at a read: translation fault, level 3", "read"),
        ("  ESR = 0x000000008600000f", "ESR", "an instruction fetch: permission fault, level 3", "execute"),
        ("  ESR = 0x0000000096000021", "ESR", "alignment fault", "read"),
        ("  ESR = 0x0000000096000010", "ESR", "synchronous external abort", "read"),
        ("Internal error: Oops: 96000004 [#1] SMP", "ESR", "at a read: translation fault, level 0", "read"),
        ("Internal error: synchronous external abort: 0000000096000410 [#1] SMP", "ESR", "abort", "read"),
        (
            "Internal error: Oops: 17 [#1] PREEMPT SMP ARM",
            "FSR",
            "a read: translation fault of a page",
            "read",
        ),
        ("Internal error: Oops: 817 [#1] SMP ARM", "FSR", "a write: translation fault of a page", "write"),
        ("Internal error: Oops: 5 [#1] SMP THUMB2", "FSR", "a read: translation fault of a section", "read"),
        ("Internal error: Oops: 80000005 [#1] SMP ARM", "FSR", "an instruction fetch: tr", "execute"),
        ("Internal error: Oops: a06 [#1] SMP ARM", "FSR", "a write: translation fault, level 2", "write"),
        ("Internal error: Oops: 80f [#1] ARM", "FSR", "a write: permission fault of a page", "write"),
        ("Cause : 40808008 (ExcCode 02)", "Cause", "(TLBL)", None),
        ("Cause : 4080000c (ExcCode 03)", "Cause", "(TLBS)", "write"),
        ("Cause : 00800010 (ExcCode 04)", "Cause", "misaligned", None),
        ("Cause : 00800014 (ExcCode 05)", "Cause", "misaligned", "write"),
        (
            "status: 0000000200000120 badaddr: 0000000000000018 cause: 000000000000000d",
            "cause",
            "read",
            "read",
        ),
        (
            "status: 0000000200000120 badaddr: 0000000000000018 cause: 000000000000000f",
            "cause",
            "wr",
            "write",
        ),
        (
            "status: 0000000200000120 badaddr: 0000000000000000 cause: 000000000000000c",
            "cause",
            "f",
            "execute",
        ),
        (
            "Failing address: 0000000000000000 TEID: 0000000000000483",
            "TEID",
            "a write through the home",
            "write",
        ),
        ("Failing address: 0000000000000000 TEID: 0000000000000887", "TEID", "a read or fetch", None),
        ("Oops: 0011 ilc:3 [#1] SMP", "int_code", "a page without a translation", None),
        ("addressing exception: 0005 ilc:2 [#1] SMP", "int_code", "no memory is there", None),
        ("REGS: c0b37cd0 TRAP: 0300   Not tainted  (5.10.161)", "TRAP", "a data access", None),
        ("REGS: c00000000b0f75d0 TRAP: 0400   Not tainted  (6.1.0)", "TRAP", "an instruction fetch", None),
        ("ESTAT: 00020000 [PIS] (IS= ECode=2 EsubCode=0)", "ESTAT", "a write", "write"),
        ("ESTAT: 00030000 [PIF] (IS= ECode=3 EsubCode=0)", "ESTAT", "a fetch", "execute"),
    ],
)
def test_a_register_is_said_in_words(line: str, name: str, words: str, access: str | None) -> None:
    registers = parse_fault_registers(line)
    (register,) = (one for one in registers if one.name == name)
    assert words in (register.meaning or "")
    assert access_of(registers) == access


@pytest.mark.parametrize(
    ("lines", "access"),
    [
        (("REGS: c0b37cd0 TRAP: 0300   Not", "DAR: 00000018, DSISR: 42000000"), "write"),
        (("REGS: c0b37cd0 TRAP: 0300   Not", "DAR: 00000018, DSISR: 40000000"), "read"),
        (
            ("REGS: c0b37cd0 TRAP: 0200   Not", "DAR: 00000018, DSISR: 42000000"),
            None,
        ),  # a machine check's own
    ],
)
def test_dsisr_tells_the_access_of_a_data_storage_interrupt_alone(
    lines: tuple[str, ...], access: str | None
) -> None:
    registers = [one for line in lines for one in parse_fault_registers(line)]
    assert access_of(registers) == access
    assert address_of(registers) == 0x18


@pytest.mark.parametrize(
    "line",
    [
        "Internal error: Oops - bad mode: 0 [#1] SMP ARM",
        "Internal error: Oops - undefined instruction: 0 [#1] SMP ARM",
        "Oops: 0004 [#1] SMP",  # the error code of x86
        "Causes : none",
        "widget ESTAT",
    ],
)
def test_what_only_looks_like_one_is_none(line: str) -> None:
    assert parse_fault_registers(line) == ()
