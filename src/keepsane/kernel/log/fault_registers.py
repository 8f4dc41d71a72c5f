# SPDX-License-Identifier: GPL-2.0-or-later
"""
The registers in which a processor says why it stopped, in words.

    ESR = 0x0000000096000044                                            arm64, arch/arm64/mm/fault.c
    Internal error: Oops: 805 [#1] SMP ARM                              arm, arch/arm/kernel/traps.c, __die()
    Cause : 4080000c (ExcCode 03)                                       mips, arch/mips/kernel/traps.c
    BadVA : 00000018
    status: 0000000200000120 badaddr: 0000000000000018 cause: 000000000000000d   riscv, __show_regs()
    Failing address: 0000000000000000 TEID: 0000000000000483            s390, arch/s390/mm/fault.c
    Oops: 0004 ilc:3 [#1] SMP                                           s390, dumpstack.c, die()
    REGS: c00000000b0f75d0 TRAP: 0300   Not tainted  (6.1.0)            powerpc, __show_regs()
    CFAR: c008000000a700fc DAR: 0000000000000018 DSISR: 40000000 IRQMASK: 0
    DEAR: 00000018 ESR: 00800000                                        powerpc with Book E
    ESTAT: 00010000 [PIL] (IS= ECode=1 EsubCode=0)                      loongarch, __show_regs()
     BADV: 0000000000000018

A number that is s390's interruption code or arm's fault status has no name in the log: `int_code`, `FSR`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from keepsane.kernel.log.fault_words import (
    ARM64_ABORTS,
    FSR_FETCH,
    FSR_WRITE,
    LOONGARCH_CODES,
    MIPS_CODES,
    POWERPC_TRAPS,
    RISCV_CAUSES,
    S390_CODES,
    esr_words,
    fsr_words,
    teid_words,
)
from keepsane.model import Register

_DATA_STORAGE, _DSISR_STORE, _BOOKE_STORE = 0x300, 0x02000000, 0x00800000


def _mips_code(cause: int) -> int:
    return cause >> 2 & 0x1F


def _loongarch_code(estat: int) -> int:
    return estat >> 16 & 0x3F


_WORDS: Mapping[str, Callable[[int], str | None]] = {
    "FSR": fsr_words,
    "ESR": esr_words,
    "BookE": lambda esr: "a write" if esr & _BOOKE_STORE else None,
    "Cause": lambda cause: MIPS_CODES.get(_mips_code(cause)),
    "cause": RISCV_CAUSES.get,
    "ESTAT": lambda estat: LOONGARCH_CODES.get(_loongarch_code(estat)),
    "TEID": teid_words,
    "int_code": S390_CODES.get,
    "TRAP": lambda trap: POWERPC_TRAPS.get(trap & ~0xF),
}
"""What a register's value means, by the name of the group that reads it."""

_NAMES = re.compile(
    r"\s{0,8}(?:ESR|Internal|Cause|BadVA|BADV|status:|Failing|[^\[]{1,66} ilc:|REGS|CFAR|DAR|DEAR|ESTAT)"
)
_LINES = tuple(
    re.compile(pattern)
    for pattern in (
        r"\s{0,8}ESR = 0x(?P<ESR>[0-9a-f]{8,16})\b",
        r"Internal error: [^:]{1,80}: (?P<ESR>[0-9a-f]{8,16}) \[#\d{1,20}\](?!.{0,60}(?:ARM|THUMB))",
        r"Internal error: (?:Oops)?: (?P<FSR>[0-9a-f]{1,8}) \[#",
        r"\s{0,8}Cause ?: (?P<Cause>[0-9a-f]{8})\b",
        r"\s{0,8}BadVA ?: (?P<BadVA>[0-9a-f]{8,16})\b",
        r"\s{0,8}BADV: (?P<BADV>[0-9a-f]{8,16})\b",
        r"\s{0,8}status: [0-9a-f]{8,16} badaddr: (?P<badaddr>[0-9a-f]{8,16}) "
        r"cause: (?P<cause>[0-9a-f]{8,16})\b",
        r"Failing address: [0-9a-f]{1,16} TEID: (?P<TEID>[0-9a-f]{1,16})\b",
        r"[\w -]{1,60}: (?P<int_code>[0-9a-f]{4}) ilc:\d \[#",
        r"REGS: [0-9a-f]{8,16} TRAP: (?P<TRAP>[0-9a-f]{3,4})\b",
        r"CFAR: (?P<CFAR>[0-9a-f]{8,16}) "
        r"(?:DAR: (?P<DAR>[0-9a-f]{8,16}) DSISR: (?P<DSISR>[0-9a-f]{8,16})\b)?",
        r"DAR: (?P<DAR>[0-9a-f]{8,16}),? DSISR: (?P<DSISR>[0-9a-f]{8,16})\b",
        r"DEAR: (?P<DEAR>[0-9a-f]{8,16}) ESR: (?P<BookE>[0-9a-f]{8,16})\b",
        r"\s{0,8}ESTAT ?: (?P<ESTAT>[0-9a-f]{8})\b",
    )
)


def parse_fault_registers(text: str) -> tuple[Register, ...]:
    """Read the registers of one line that say why the processor stopped; () where it has none."""
    if _NAMES.match(text) is None:
        return ()
    found = next(filter(None, (pattern.match(text) for pattern in _LINES)), None)
    return tuple(
        Register(name.replace("BookE", "ESR"), value, _WORDS[name](value) if name in _WORDS else None)
        for name, printed in (found.groupdict().items() if found else ())
        if printed
        for value in (int(printed, 16),)
    )


def is_psw_behind(registers: Iterable[Register]) -> bool:
    """
    Tell whether the PSW of s390 stands behind the instruction that trapped.

    It stays where a translation is missing; of a protection exception the kernel winds it back itself
    (arch/s390/mm/fault.c, do_protection_exception()).
    """
    code = next((register.value for register in registers if register.name == "int_code"), None)
    return code is not None and code not in _PSW_STAYS


_PSW_STAYS = frozenset({0x04, 0x10, 0x11, 0x38, 0x39, 0x3A, 0x3B, 0x3D})


def address_of(registers: Iterable[Register]) -> int | None:
    """Give the address that faulted where a register of its own holds it; None where none does."""
    own = ("BadVA", "BADV", "badaddr", "DAR", "DEAR")
    return next((register.value for register in registers if register.name in own), None)


def access_of(registers: Iterable[Register]) -> str | None:
    """Say what was tried, "read", "write" or "execute", where a register tells it."""
    known = {register.name: register.value for register in registers}
    told = (access(known) for name, access in _ACCESSES.items() if name in known)
    return next(filter(None, told), None)


def _powerpc_access(known: Mapping[str, int]) -> str | None:
    if known.get("TRAP", 0) & ~0xF != _DATA_STORAGE:
        return None
    return "write" if known["DSISR"] & _DSISR_STORE else "read"


def _arm_access(known: Mapping[str, int]) -> str:
    fsr = known["FSR"]
    return "execute" if fsr & FSR_FETCH else "write" if fsr & FSR_WRITE else "read"


def _arm64_access(known: Mapping[str, int]) -> str | None:
    esr = known["ESR"]
    if "DEAR" in known or esr >> 26 not in ARM64_ABORTS:
        return None
    return "execute" if esr >> 26 in (0x20, 0x21) else "write" if esr >> 6 & 1 else "read"


_MIPS = {1: "write", 3: "write", 5: "write", 6: "execute", 19: "read", 20: "execute"}
"""Code 2 is a read or a fetch."""
_RISCV = {0: "execute", 1: "execute", 4: "read", 5: "read", 6: "write", 7: "write", 12: "execute"} | {
    13: "read",
    15: "write",
}
_LOONGARCH = {1: "read", 2: "write", 3: "execute", 4: "write", 5: "read", 6: "execute"}
_ACCESSES: Mapping[str, Callable[[Mapping[str, int]], str | None]] = {
    "Cause": lambda known: _MIPS.get(_mips_code(known["Cause"])),
    "cause": lambda known: _RISCV.get(known["cause"]),
    "ESTAT": lambda known: _LOONGARCH.get(_loongarch_code(known["ESTAT"])),
    "TEID": lambda known: "write" if known["TEID"] >> 10 & 3 == 1 else None,
    "FSR": _arm_access,
    "DSISR": _powerpc_access,
    "ESR": _arm64_access,
}
