# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which machine wrote a report, read from its own lines: each architecture names its registers differently.

    RIP: 0010:widget_get+0x12/0x40                      x86-64, arch/x86/kernel/process_64.c, __show_regs()
    EIP: widget_get+0x12/0x40                           i386, arch/x86/kernel/process_32.c
    PC is at widget_get+0x12/0x40                       arm, arch/arm/kernel/process.c, __show_regs()
    R10: 0000e0cd R9 : c0a3a000 R8 : 00000001           arm of some vendors, in capitals
    pc : widget_get+0x12/0x40                           arm64, arch/arm64/kernel/process.c
    Internal error: Oops: 817 [#1]                      arm, a fault status; arm64's ESR has 8 digits, or 16
    Internal error: Oops: 80000207 [#1] SMP ARM         arm, a prefetch abort: bit 31 is the kernel's own mark
    NIP:  c0000000000fd0a4 LR: c0000000000fd0a0         powerpc, arch/powerpc/kernel/process.c, show_regs()
    epc   : 80123456 widget_get+0x12/0x40               mips, arch/mips/kernel/traps.c, __show_regs()
    epc : ffffffff80006f2e ra : ffffffff80006f2a        riscv, arch/riscv/kernel/process.c, __show_regs()
    Krnl PSW : 0704c00180000000 00000000001fd0a4        s390, arch/s390/kernel/dumpstack.c, show_registers()
    pc ffff800002170044 ra ffff800002170100        loongarch, arch/loongarch/kernel/traps.c, __show_regs()

The layout of a `Code:` line is never asked: arm, arm64, mips and powerpc all print words of four bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from keepsane.model import LogRecord, Stack

_CERTAIN = re.compile(
    r"\s{0,20}(?:"
    r"(?P<x86_64>RIP\b|R[ABCD]X: |RSP: |R(?:08|10|13): [0-9a-f]{16}\b)"
    r"|(?P<i386>EIP\b|E[ABCD]X: |ESI: |ESP: )"
    r"|(?P<arm64>x(?:29|19|2|0) {0,2}: [0-9a-f]{16}|pstate: |pc : (?!\[<[0-9a-f]{8}>|[0-9a-f]{8}\b)|ESR = 0x"
    r"|Internal error: [^:\[]{1,80}+: (?:0{8})?(?!8000)[89a-f][0-9a-f]{7} \[#(?!.{0,60}\b(?:ARM|THUMB2)\b))"
    r"|(?P<arm>r(?:10|7|3|0) ?: [0-9a-f]{8}\b|pc : \[<[0-9a-f]{8}>|PC: \[<[0-9a-f]{8}>\]"
    r"|R10: [0-9a-f]{8} {1,4}R0?9 ?:|R[73] ?: [0-9a-f]{8} {1,4}R[62] ?:"
    r"|Internal error: [^\]]{1,200}+\] .{0,40}\b(?:ARM|THUMB2)\s*+$|Internal error: Oops: [0-9a-f]{1,3} \[#"
    r"|Flags: \w{4}  IRQs o)"
    r"|(?P<ppc64>NIP: {1,4}[0-9a-f]{16}\b|NIP \[[0-9a-f]{16}\]|GPR\d\d: [0-9a-f]{16}\b)"
    r"|(?P<ppc>NIP: {1,4}[0-9a-f]{8}\b|NIP \[[0-9a-f]{8}\]|GPR\d\d: [0-9a-f]{8}\b)"
    r"|(?P<riscv>epc ?: [0-9a-f]{8,16} ra ?: |gp ?: [0-9a-f]{8,16} tp ?: |status: [0-9a-f]{8,16} badaddr: "
    r"|Oops - [A-Za-z])"
    r"|(?P<mips>CPU \d{1,5} Unable to handle kernel .{0,80}, epc == |epc {3}: "
    r"|\$ {0,2}\d{1,2} {0,3}: [0-9a-f]{8}|BadVA ?: |PrId {1,3}: )"
    r"|(?P<s390>Krnl (?:PSW|GPRS|Code)\b)"
    r"|(?P<loongarch>pc [0-9a-f]{16} ra [0-9a-f]{16}|ESTAT: |(?:CRMD|PRMD): )"
    r"|(?P<sparc>TSTATE: |TPC: |PSR: [0-9a-f]{8} PC: )"
    r"|(?P<parisc>IASQ: |IAOQ\[)"
    r")"
)
_LIKELY = re.compile(r"\s{0,20}(?P<arm>(?:PC|LR) is at )")
"""arm64 said the same until 4.17, above registers of its own."""

_ENTRIES = {
    "do_syscall_64": "x86_64",
    "entry_SYSCALL_64_after_hwframe": "x86_64",
    "ret_from_fork_asm": "x86_64",
    "el0_svc": "arm64",
    "el0t_64_sync": "arm64",
    "el0_svc_common": "arm64",
    "ret_fast_syscall": "arm",
}
"""Functions that only one architecture has, at the end of a trace without registers."""

DECODED = frozenset({"x86_64", "i386", "arm64", "arm", "ppc64", "ppc", "riscv", "mips", "s390"})
"""Those whose `Code:` lines are decoded where keepsane[symbols] is installed."""


def architecture(records: Iterable[LogRecord], stacks: Iterable[Stack] = ()) -> str | None:
    """
    Name the machine of a report by its register lines, else by the entry code in its trace.

    Gives "x86_64", "i386", "arm64", "arm", "ppc64", "ppc", "riscv", "mips", "s390", "loongarch", "sparc" or
    "parisc"; None where no line tells.
    """
    likely = None
    for record in records:
        found = _CERTAIN.match(record.text)
        if found is not None:
            return found.lastgroup
        likely = likely or _LIKELY.match(record.text)
    if likely is not None:
        return likely.lastgroup
    functions = (frame.function for stack in stacks for frame in stack.frames if frame.function)
    return next((_ENTRIES[name] for name in functions if name in _ENTRIES), None)
