# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the numbers mean by which processors say why they stopped.

They are the manuals' own. The kernel's names for them: arch/arm/mm/fsr-2level.c and fsr-3level.c,
arch/arm64/include/asm/esr.h, arch/riscv/include/asm/csr.h, arch/s390/include/asm/fault.h and
arch/s390/kernel/pgm_check.S, arch/mips/include/asm/mipsregs.h, arch/loongarch/include/asm/loongarch.h,
arch/powerpc/include/asm/interrupt.h.
"""

from __future__ import annotations


def esr_words(esr: int) -> str | None:
    """Say what the exception syndrome of arm64 holds: bits 26 to 31 the class, below what it was."""
    what = ARM64_CLASSES.get(esr >> 26 & 0x3F)
    if what is None or esr >> 26 & 0x3F not in ARM64_ABORTS:
        return what
    fetch = esr >> 26 & 0x3F in (0x20, 0x21)
    access = "an instruction fetch" if fetch else "a write" if esr >> 6 & 1 else "a read"
    return f"{what} at {access}: {_long_status(esr & 0x3F)}"


ARM64_ABORTS = frozenset({0x20, 0x21, 0x24, 0x25})
ARM64_CLASSES = {
    0x00: "a reason that the processor does not know",
    0x0D: "a branch to code that is no branch target (BTI)",
    0x0E: "an illegal state of the processor",
    0x1C: "a pointer with a wrong signature (PAC)",
    0x20: "a fault of user space",
    0x21: "a fault of the kernel",
    0x22: "a misaligned pc",
    0x24: "a fault of user space",
    0x25: "a fault of the kernel",
    0x26: "a misaligned stack pointer",
    0x2F: "an SError: an error that came later than what caused it",
    0x3C: "a BRK instruction",
}
_LEVELLED = {0: "address size fault", 1: "translation fault", 2: "access flag fault", 3: "permission fault"}
_STATUSES = {
    0x10: "synchronous external abort",
    0x11: "tag check fault",
    0x18: "parity or ECC error",
    0x21: "alignment fault",
    0x30: "TLB conflict",
}


def _long_status(status: int) -> str:
    """Name a fault of arm64, or of arm with LPAE."""
    if status < 0x10:
        return f"{_LEVELLED[status >> 2]}, level {status & 3}"
    if 0x14 <= status <= 0x17:
        return f"external abort while the page table was read, level {status & 3}"
    return _STATUSES.get(status, f"fault status {status:#x}")


_SHORT_STATUSES = {
    0x1: "alignment fault",
    0x3: "access flag fault of a section",
    0x5: "translation fault of a section",
    0x6: "access flag fault of a page",
    0x7: "translation fault of a page",
    0x8: "external abort",
    0x9: "domain fault of a section",
    0xB: "domain fault of a page",
    0xC: "external abort while the page table was read",
    0xD: "permission fault of a section",
    0xE: "external abort while the page table was read",
    0xF: "permission fault of a page",
    0x16: "asynchronous external abort",
}
FSR_WRITE, FSR_LPAE, FSR_FETCH = 1 << 11, 1 << 9, 1 << 31


def fsr_words(fsr: int) -> str:
    """Say what the fault status of arm holds; bit 31 is the kernel's own mark of a prefetch abort."""
    access = "an instruction fetch" if fsr & FSR_FETCH else "a write" if fsr & FSR_WRITE else "a read"
    if fsr & FSR_LPAE:
        return f"{access}: {_long_status(fsr & 0x3F)}"
    short = (fsr & 0xF) | (fsr >> 6 & 0x10)
    return f"{access}: {_SHORT_STATUSES.get(short, f'fault status {short:#x}')}"


MIPS_CODES = {
    1: "a write to a page that is not writable (Mod)",
    2: "a read or fetch without a translation (TLBL)",
    3: "a write without a translation (TLBS)",
    4: "a misaligned or forbidden address at a read or fetch (AdEL)",
    5: "a misaligned or forbidden address at a write (AdES)",
    6: "a bus error at a fetch (IBE)",
    7: "a bus error at a read or write (DBE)",
    9: "a breakpoint (Bp)",
    10: "a reserved instruction (RI)",
    11: "a coprocessor that is switched off (CpU)",
    12: "an arithmetic overflow (Ov)",
    13: "a trap instruction (Tr)",
    15: "a floating point exception (FPE)",
    19: "a read of a page that must not be read (TLBRI)",
    20: "a fetch from a page that must not be executed (TLBXI)",
    24: "a machine check (MCheck)",
}
RISCV_CAUSES = {
    0x0: "a misaligned instruction",
    0x1: "an access fault at a fetch",
    0x2: "an illegal instruction",
    0x3: "a breakpoint",
    0x4: "a misaligned read",
    0x5: "an access fault at a read",
    0x6: "a misaligned write",
    0x7: "an access fault at a write",
    0xC: "a page fault at a fetch",
    0xD: "a page fault at a read",
    0xF: "a page fault at a write",
    0x12: "a software check (control flow)",
    0x13: "a hardware error",
}
LOONGARCH_CODES = {
    1: "a read of a page that is not valid (PIL)",
    2: "a write to a page that is not valid (PIS)",
    3: "a fetch from a page that is not valid (PIF)",
    4: "a write to a page that is not writable (PME)",
    5: "a read of a page that must not be read (PNR)",
    6: "a fetch from a page that must not be executed (PNX)",
    7: "a page of another privilege (PPI)",
    8: "a forbidden address (ADE)",
    9: "a misaligned address (ALE)",
    10: "an address out of its bounds (BCE)",
    12: "a BREAK instruction (BRK)",
    13: "a reserved instruction (INE)",
    14: "an instruction of another privilege (IPE)",
}
POWERPC_TRAPS = {
    0x100: "a system reset",
    0x200: "a machine check",
    0x300: "a data access without a valid translation",
    0x380: "a data access without a segment",
    0x400: "an instruction fetch without a valid translation",
    0x480: "an instruction fetch without a segment",
    0x600: "a misaligned access",
    0x700: "a program check: an illegal or privileged instruction, or a trap",
    0x800: "floating point that is switched off",
    0xF20: "Altivec that is switched off",
    0xF40: "VSX that is switched off",
}
S390_CODES = {
    0x01: "an operation exception: an illegal instruction",
    0x02: "a privileged operation",
    0x04: "a protection exception: a write that is not allowed",
    0x05: "an addressing exception: no memory is there",
    0x06: "a specification exception: a misaligned or invalid operand",
    0x07: "a data exception",
    0x08: "a fixed-point overflow",
    0x09: "a fixed-point division that has no result",
    0x10: "a segment without a translation",
    0x11: "a page without a translation",
    0x12: "an invalid entry in the translation tables",
    0x38: "an address beyond the address space",
    0x39: "a first region without a translation",
    0x3A: "a second region without a translation",
    0x3B: "a third region without a translation",
    0x3D: "an access to memory of a secure guest",
    0x40: "a monitor event: BUG() or WARN()",
}
_S390_SPACES = ("primary", "access register", "secondary", "home")


def teid_words(teid: int) -> str:
    """Say what the translation-exception identification of s390 holds; what was tried only where it says."""
    access = {1: "a write", 2: "a read or fetch"}.get(teid >> 10 & 3, "an access")
    return f"{access} through the {_S390_SPACES[teid & 3]} address space"
