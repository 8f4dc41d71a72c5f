# SPDX-License-Identifier: GPL-2.0-or-later
"""
Traps that have a name and no report of their own: the first line of die(), on every architecture.

    int3: 0000 [#1] SMP NOPTI                              x86, "Oops: " before it since 6.10
    Oops: stack segment: 0000 [#1] PREEMPT SMP
    Oops: Split lock detected                              x86, its end stands on the next line
    PANIC: Unhandled #VC exception in kernel space (result=2)
    traps: Missing ENDBR: widget_poke+0x0/0x40
    Oops: Machine check, sig: 7 [#1]                       powerpc
    Oops - store (or AMO) access fault [#1]                riscv
    Internal error: Oops - bad mode: 0 [#1] SMP ARM        arm, arm64
    specification exception: 0006 ilc:2 [#1] SMP           s390
    Unhandled kernel unaligned access[#1]:                 mips
    do_watch in kernel[#1]:                                mips
    Kernel BUG [#1]                                        riscv
    Data bus error, epc == 802eed0c, ra == 86ca32b8        mips, before "Oops[#1]:"
    Unhandled fault: external abort on non-linefetch (0x808) at 0xf0a00010      arm, "Internal error: : 808"
    SError Interrupt on CPU1, code 0x00000000bf000002 -- SError                 arm64, before its panic
    Bad mode in Error handler detected on CPU0, code 0xbf000002 -- SError       arm64 up to 4.15
    PANIC: early exception 0x0d IP 10:ffffffff81000000 error 0 cr2 0x10         x86

Source: arch/x86/kernel/dumpstack.c, __die_header(). Its names: arch/x86/kernel/traps.c, exc_overflow(),
exc_bounds(), exc_coproc_segment_overrun(), exc_invalid_tss(), exc_segment_not_present(), exc_stack_segment(),
exc_alignment_check(), exc_int3(), math_error(), exc_device_not_available(), iret_error(), ve_raise_fault();
arch/x86/kernel/cet.c, do_kernel_cp_fault(); arch/x86/kernel/sev-es.c, exc_vmm_communication();
arch/x86/mm/fault.c, pgtable_bad(); arch/x86/mm/extable.c, ex_handler_msr(). Other machines:
arch/powerpc/kernel/traps.c, __die(); arch/riscv/kernel/traps.c, do_trap_error(); arch/arm/kernel/traps.c,
arch/arm64/kernel/traps.c, arch/s390/kernel/dumpstack.c and arch/mips/kernel/traps.c, die(); do_be() of mips;
arch/arm64/kernel/traps.c, arm64_serror_panic() and bad_mode(); arch/arm/mm/fault.c, do_DataAbort() and
do_PrefetchAbort(); arch/s390/kernel/traps.c; arch/loongarch/kernel/traps.c; arch/x86/mm/extable.c,
early_fixup_exception().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.events import oops
from keepsane.kernel.log.block import PRELUDE, Block, Opening, build, titled
from keepsane.kernel.log.culprit import beyond, culprit, plain_name
from keepsane.kernel.log.fault_registers import access_of
from keepsane.kernel.log.groups import Hex
from keepsane.kernel.log.trace import MODULE, SYMBOL, symbol_frame
from keepsane.kernel.log.trap_names import name_of, named_kind
from keepsane.model import Event, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTrap(Event):
    """
    The processor stopped at an instruction for a reason that has a name.

    `trap` is that name, as the kernel prints it. `address` is what was accessed and `access` is "read",
    "write" or "execute", where the report says so. `count` is the number in `[#1]`: above 1, an earlier
    oops came first.
    """

    trap: str
    address: Hex | None = None
    access: str | None = None
    count: int | None = None


_COUNT = re.compile(r".{0,400}?\[#(?P<count>\d{1,5})\]")
_FOR_ADDRESS = re.compile(r"VE fault, \w{1,8} for (?:non-canonical )?address (?P<address>0x[0-9a-f]{1,16})")
_ADDRESS = re.compile(r".{0,160}?\b(?:badaddr: |stval: |DAR: )(?P<address>[0-9a-f]{8,16})\b")
_ACCESS = {"load": "read", "store": "write", "instruction": "execute"}


def parse_die(block: Block) -> Event | None:
    """
    Read an oops by the line of die(): its name says what it is, and a fault on an address often has none.

    Accepted format:
        Internal error: Oops - bad mode: 0 [#1] SMP ARM
        Oops: 0002 [#1] SMP
    """
    text = block.head_record.text.strip()
    if block.find(oops.BAD_ADDRESS) is not None:
        return oops.parse_bad_address(block)
    name = name_of(text) or _abort_of(block)
    kind = "invalid-opcode" if name == "Exception in kernel mode" and "sig: 4 " in text else named_kind(name)
    if kind == "page-fault":
        unnamed = "bad page access" if _X86_PAGE_FAULT.match(text) else "internal error"
        return oops.parse_died_of_fault(block, _words(name) or unnamed)
    if kind == "stack-overflow":
        return oops.parse_stack_overflow(block)
    if kind in ("invalid-opcode", "bug", "divide-error"):
        return oops.parse_said(block, kind, "kernel BUG" if kind == "bug" else _words(name))
    return _trap(block, kind, name)


_X86_PAGE_FAULT = re.compile(r"Oops: [0-9a-f]{4} \[#\d")
"""On x86 a bare error code is that of a page fault: arch/x86/mm/fault.c, page_fault_oops()."""


def _abort_of(block: Block) -> str:
    """Name a fault of arm that die() leaves nameless, by its status: `Internal error: : 808 [#1] SMP ARM`."""
    status = next((one for one in block.body.registers if one.name == "FSR"), None)
    said = (status.meaning or "") if status is not None else ""
    return said.partition(": ")[2] if "external abort" in said else ""


def parse_fault(block: Block) -> Event | None:
    """
    Read a fault that arm names and for which it has no handler.

    Accepted format:
        Unhandled fault: external abort on non-linefetch (0x808) at 0xf0a00010
        Unhandled prefetch abort: unknown 25 (0x409) at 0x00000000
        Alignment trap: not handling instruction e1b21f9f at [<802b4048>]
    """
    if oops.is_of_a_program(block):
        return oops.parse_unhandled_fault(block)
    name = block.head["name"]
    kind = named_kind(name)
    if kind in ("page-fault", "other"):
        return oops.parse_unhandled_fault(block)
    return _trap(block, kind, name)


def parse_early(block: Block) -> Event:
    """
    Read an exception of a kernel that has only begun to boot.

    Accepted format:
        PANIC: early exception 0x0e IP 10:ffffffff81000000 error 0 cr2 0x10
    """
    number = int(block.head["vector"], 16)
    if number == _PAGE_FAULT:
        return oops.parse_early_fault(block, int(block.head["cr2"], 16))
    return _trap(block, "x86-trap", f"early {_VECTORS.get(number, f'exception {number:#x}')}")


_PAGE_FAULT = 14
_VECTORS = {
    0: "divide error",
    3: "int3",
    6: "invalid opcode",
    8: "double fault",
    11: "segment not present",
    12: "stack segment",
    13: "general protection fault",
    20: "VE fault",
    29: "#VC exception",
}


def _words(name: str) -> str:
    """Write a name as it stands inside a sentence: `Machine check` small, `VE fault` as it is."""
    return name[:1].lower() + name[1:] if name[1:2].islower() else name


def _trap(block: Block, kind: Kind, name: str, function: str | None = None) -> CpuTrap:
    found = block.find(_ADDRESS) if kind in ("bus-error", "alignment") else _FOR_ADDRESS.match(name)
    name = name.partition(",")[0] if kind == "x86-trap" else name
    bare = kind == "x86-trap" and not name.endswith(("fault", "exception", "ENDBR"))
    words = f"{name} trap" if bare else _words(name)
    return build(
        CpuTrap,
        block,
        kind,
        titled(words, function or oops.faulting_function(block)),
        found or block.find(oops.UNHANDLED),
        block.find(_COUNT),
        needs_end=True,
        trap=name,
        access=_access(block, name) if kind in ("bus-error", "alignment") else None,
    )


def _access(block: Block, name: str) -> str | None:
    return _ACCESS.get(name.partition(" ")[0]) or access_of(block.body.registers)


def parse_split_lock(block: Block) -> CpuTrap | None:
    """
    Read a locked access across two cache lines; the kernel ends the line before the error code.

    Accepted format:
        Oops: Split lock detected
        : 0000 [#1] PREEMPT SMP
    """
    return _trap(block, "x86-trap", "split lock") if block.find(_COUNT) or block.body.stacks else None


def parse_vmm(block: Block) -> CpuTrap | None:
    """
    Read an exit to the hypervisor that an encrypted guest could not handle.

    Accepted format:
        SEV: PANIC: Unhandled #VC exception in kernel space (result=2)
    """
    return _trap(block, "x86-trap", "unhandled #VC exception")


def parse_endbr(block: Block) -> CpuTrap | None:
    """
    Read a call through a pointer to code that does not begin with ENDBR; a BUG or WARNING follows.

    Accepted format:
        traps: Missing ENDBR: widget_poke+0x0/0x40
    """
    called = symbol_frame(block.head, block.head_record.line, "ip")
    return _trap(block, "x86-trap", "missing ENDBR", plain_name(called.function or ""))


def parse_msr(block: Block) -> CpuTrap | None:
    """
    Read an access to a register of the processor that it does not have; the kernel goes on without, so it is
    none of the kinds of which a kernel dies.

    Accepted format:
        unchecked MSR access error: RDMSR from 0x1a2 at rIP: 0xffffffff8106a1b4 (native_read_msr+0x4/0x20)
    """
    function = culprit(block.body, stacks=beyond(block.body.stacks, _MSR), ip=False)
    title = titled(f"unchecked MSR access: {block.head['what']}", function)
    return build(CpuTrap, block, "other", title, trap="unchecked MSR access error")


def parse_serror(block: Block) -> CpuTrap | None:
    """
    Read an error that arm64's processor was told of behind its back: a memory access failed on the bus, and
    the function that is named ran when the news came.

    Accepted format:
        SError Interrupt on CPU1, code 0x00000000bf000002 -- SError
        Bad mode in Error handler detected on CPU0, code 0xbf000002 -- SError
    """
    return _trap(block, "machine-check", "SError interrupt")


def parse_bad_mode(block: Block) -> Event | None:
    """
    Read an exception in a mode that should have none, where die() follows; a program's gives it a signal.

    Accepted format:
        Bad mode in prefetch abort handler detected
        Bad mode in Synchronous Abort handler detected, code 0x86000006 -- IABT (current EL)
    """
    if block.find(_COUNT) is None:
        return None
    fetched = "-- IABT (current EL)" in block.head_record.text
    return (oops.parse_jump(block) if fetched else None) or _trap(block, "bad-mode", "bad mode")


def parse_mips_bus_error(block: Block) -> CpuTrap | None:
    """
    Read a bus error in the kernel: `Oops[#1]:` follows; a program's gives it a signal.

    Accepted format:
        Data bus error, epc == 802eed0c, ra == 86ca32b8
    """
    return _trap(block, "bus-error", block.head["name"]) if block.find(_COUNT) else None


_MSR = frozenset({"ex_handler_msr", "native_read_msr", "native_write_msr", "native_read_msr_safe"})
MSR = re.compile(r"unchecked MSR access error: (?P<what>(?:RD|WR)MSR (?:from|to) 0x[0-9a-f]{1,8})")
_ERROR_CODE = re.compile(r": [0-9a-f]{4} \[#\d{1,5}\]")

OPENINGS = (
    Opening("msr", MSR, parse_msr),
    Opening(
        "split-lock",
        re.compile(r"(?:Oops: )?Split lock detected(?:\s*+$|: \w+ \[#)"),
        parse_split_lock,
        own=_ERROR_CODE,
    ),
    Opening(
        "serror",
        re.compile(
            r"SError Interrupt on CPU ?\d{1,5}, code |Bad mode in Error handler detected.{0,40}? -- SError\b"
        ),
        parse_serror,
    ),
    Opening("bad-mode", re.compile(r"Bad mode in [\w ]{1,40} handler detected"), parse_bad_mode),
    Opening(
        "bus-error", re.compile(r"(?P<name>(?:Data|Instruction) bus error), epc == "), parse_mips_bus_error
    ),
    Opening("internal-error", re.compile(r"Internal error: "), parse_die, rank=1),
    Opening("die", re.compile(r"Oops(?:: [0-9a-f]{4,16}\b|\b.{0,400}\[#\d{1,20}\])"), parse_die, rank=1),
    Opening(
        "died",
        re.compile(r"[A-Za-z][\w #(),/-]{2,100}: [0-9a-f]{4} (?:ilc:\d )?\[#\d{1,20}\]"),
        parse_die,
        rank=1,
    ),
    Opening("died-mips", re.compile(r"[A-Za-z][\w !]{3,60}\[#\d{1,20}\]:"), parse_die, rank=1),
    Opening("died-riscv", re.compile(r"Kernel BUG \[#\d{1,20}\]"), parse_die, rank=1),
    Opening(
        "unhandled-fault",
        re.compile(r"Unhandled (?:fault|prefetch abort): (?P<name>[^()]{1,80}?) ?(?:\(|$)"),
        parse_fault,
        rank=3,
        detail_of=frozenset({"alignment-trap"}),
    ),
    Opening(
        "alignment-trap",
        re.compile(r"(?P<name>Alignment trap): not handling"),
        parse_fault,
        rank=3,
        own=oops.UNHANDLED,
    ),
    Opening(
        "early",
        re.compile(
            r"PANIC: early exception 0x(?P<vector>[0-9a-f]{2}) IP [0-9a-f]{1,4}:[0-9a-f]{1,16}"
            r" error [0-9a-f]{1,16} cr2 0x(?P<cr2>[0-9a-f]{1,16})"
        ),
        parse_early,
        rank=3,
    ),
    Opening("vmm", re.compile(r"(?:SEV(?:-ES)?: )?PANIC: Unhandled #VC exception"), parse_vmm),
    Opening(
        "endbr", re.compile(r"(?:traps: |CET: )?Missing ENDBR: " + SYMBOL + MODULE), parse_endbr, rank=PRELUDE
    ),
)
