# SPDX-License-Identifier: GPL-2.0-or-later
"""
Faults the processor reported: bad pointers, general protection, division, invalid opcodes, stack overflow.

    BUG: kernel NULL pointer dereference, address: 0000000000000080       x86 since 5.1
    BUG: unable to handle kernel paging request at ffff88002bde1e40       x86 before
    Unable to handle kernel paging request at virtual address 00800000    arm64, arm
    general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP
    divide error: 0000 [#1] PREEMPT SMP NOPTI
    BUG: TASK stack guard page was hit at ffffc9000012bff8 (stack is ffffc9000012c000..ffffc90000130000)
    PANIC: double fault, error_code: 0x0
    Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP

Source: arch/x86/mm/fault.c, show_fault_oops(); arch/x86/kernel/traps.c; arch/x86/kernel/dumpstack.c,
__die_header(); arch/arm64/mm/fault.c, die_kernel_fault(); arch/arm64/kernel/traps.c, die().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.block import Block, Opening, build, damage_of
from keepsane.kernel.culprit import culprit
from keepsane.kernel.registers import address_in_words
from keepsane.model import Event, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Oops(Event):
    """
    The kernel did what the processor forbids.

    `address` is the address that faulted, where the report has one, and `address_means` what it looks like.
    `access` is "read", "write" or "execute". `count` is the number in `[#1]`: above 1, an
    earlier oops came first.
    """

    address: int | None = None
    address_means: str | None = None
    access: str | None = None
    count: int | None = None


_ADDRESS = re.compile(
    r".*?(?:address:? (?:space )?|request(?: from \w+ \w+)? at |dereference (?:from \w+ \w+ )?at "
    r"|was hit at |fault at )(?:virtual address )?"
    r"(?:0x)?(?P<address>[0-9a-f]{8,16})\b"
)
_COUNT = re.compile(r".*\[#(?P<count>\d{1,5})\]")
_PF_ACCESS = re.compile(r"#PF: \w+ (?P<access>read|write|instruction fetch)")
_OOPS_CODE = re.compile(r"(?:Oops: )+(?P<code>[0-9a-f]{4})\b")
_ARM64_WRITE = re.compile(r"\s*(?:ISV = \d+|CM = \d+), (?:.*)?WnR = (?P<write>[01])")
_UNHANDLED = re.compile(r"Unhandled fault: .{0,120}? at (?:0x)?(?P<address>[0-9a-f]{8,16})\b")
_BAD_ADDRESS = re.compile(
    r".*?(?:NULL pointer dereference|kernel paging request|user memory|access user-memory|bad area)"
)
_CR2 = re.compile(r"CR2: (?P<address>[0-9a-f]{8,16})")


def _access(block: Block) -> str | None:
    """Read what was tried, from x86's words, its error code (bit 1 write, bit 4 fetch), or arm64's WnR."""
    words = block.find(_PF_ACCESS)
    if words is not None:
        return words["access"].replace("instruction fetch", "execute")
    code = block.find(_OOPS_CODE)
    if code is not None:
        bits = int(code["code"], 16)
        return "execute" if bits & 16 else "write" if bits & 2 else "read"
    arm64 = block.find(_ARM64_WRITE)
    return None if arm64 is None else "write" if arm64["write"] == "1" else "read"


def _count(block: Block) -> int | None:
    found = block.find(_COUNT)
    return int(found["count"]) if found else None


def _where(block: Block) -> str:
    function = culprit(block.body)
    return f" in {function}" if function else ""


def _oops(block: Block, kind: Kind, what: str, address: int | None) -> Oops:
    canonical_bits = 57 if any(r.name == "CR4" and r.value >> 12 & 1 for r in block.body.registers) else 48
    return build(
        Oops,
        block,
        kind,
        what + _where(block),
        damage=damage_of(block, needs_end=True),
        address=address,
        address_means=None if address is None else address_in_words(address, canonical_bits=canonical_bits),
        access=_access(block),
        count=_count(block),
    )


def parse_bad_address(block: Block) -> Oops | None:
    """
    Read a fault on an address: a NULL pointer where the kernel says so or the address is on the first page.

    Accepted format:
        BUG: kernel NULL pointer dereference, address: 0000000000000080
        BUG: unable to handle page fault for address: ffffc90000a7f000
        Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010
    """
    found = _ADDRESS.match(block.head_record.text) or block.find(_CR2)
    address = int(found["address"], 16) if found else None
    if "NULL pointer" in block.head_record.text:
        return _oops(block, "null-deref", "NULL pointer dereference", address if address is not None else 0)
    return _oops(block, "page-fault", "bad page access", address)


def parse_protection(block: Block) -> Oops | None:
    """
    Read a general protection fault.

    Accepted format:
        general protection fault, probably for non-canonical address 0xdffffc0000000000: 0000 [#1] SMP
        general protection fault: 0000 [#1] SMP KASAN
    """
    found = re.match(r".*?address 0x(?P<address>[0-9a-f]{1,16})", block.head_record.text)
    return _oops(
        block, "general-protection", "general protection fault", int(found["address"], 16) if found else None
    )


def parse_divide(block: Block) -> Oops | None:
    """Read a division by zero or one whose result does not fit: `divide error: 0000 [#1] SMP`."""
    return _oops(block, "divide-error", "divide error", None)


def parse_invalid_opcode(block: Block) -> Oops | None:
    """Read an invalid opcode that no `kernel BUG at` line explains: `invalid opcode: 0000 [#1] SMP`."""
    return _oops(block, "invalid-opcode", "invalid opcode", None)


def parse_stack_overflow(block: Block) -> Oops | None:
    """
    Read a kernel stack that ran into its guard page.

    Accepted format:
        BUG: TASK stack guard page was hit at 00000000 (stack is 00000000..00000000)
        BUG: stack guard page was hit at ffffc9000012bff8 (stack is ...)
        Insufficient stack space to handle exception!                     arm64
    """
    found = _ADDRESS.match(block.head_record.text)
    return _oops(
        block, "stack-overflow", "kernel stack overflow", int(found["address"], 16) if found else None
    )


def parse_double_fault(block: Block) -> Oops | None:
    """Read a fault while a fault was being delivered: `PANIC: double fault, error_code: 0x0`."""
    return _oops(block, "double-fault", "double fault", None)


def _fault_address(block: Block) -> int | None:
    found = block.find(_UNHANDLED)
    return int(found["address"], 16) if found else None


def parse_unhandled_fault(block: Block) -> Oops | None:
    """
    Read an arm or arm64 abort that has no handler of its own: alignment, domain, external abort.

    Accepted format:
        Unhandled fault: page domain fault (0x01b) at 0x00000e30
        Alignment trap: not handling instruction e1b21f9f at [<802b4048>]
    """
    return _oops(block, "page-fault", "unhandled fault", _fault_address(block))


def parse_internal_error(block: Block) -> Oops | None:
    """
    Read an oops whose first line was lost, or a trap with no kind of its own.

    Accepted format:
        Internal error: Oops - SP/PC alignment exception: 8a000000 [#1] PREEMPT SMP
        Oops: 0002 [#1] SMP
    """
    bad = block.find(_BAD_ADDRESS)
    if bad is not None:
        return parse_bad_address(block)
    text = block.head_record.text
    if "undefined instruction" in text:
        return _oops(block, "invalid-opcode", "undefined instruction", None)
    if "Oops - BUG" in text:
        return _oops(block, "bug", "kernel BUG", None)
    return _oops(block, "page-fault", "internal error", _fault_address(block))


OPENINGS = (
    Opening(
        "bad-address",
        "nable to handle",
        re.compile(r"(?:BUG: )?[Uu]nable to handle (?:kernel|page fault|paging request|access|user)"),
        parse_bad_address,
        rank=3,
    ),
    Opening(
        "null-pointer",
        "BUG: kernel NULL pointer",
        re.compile(r"BUG: kernel NULL pointer dereference"),
        parse_bad_address,
        rank=3,
    ),
    Opening(
        "stack-guard",
        "stack guard page was hit",
        re.compile(r"BUG: (?:\w+ )?stack guard page was hit"),
        parse_stack_overflow,
        rank=3,
    ),
    Opening(
        "kernel-stack-overflow",
        "kernel stack overflow",
        re.compile(r"kernel stack overflow"),
        parse_stack_overflow,
        rank=2,
    ),
    Opening(
        "insufficient-stack",
        "Insufficient stack space",
        re.compile(r"Insufficient stack space to handle exception"),
        parse_stack_overflow,
        rank=3,
    ),
    Opening(
        "double-fault",
        "double fault",
        re.compile(r"(?:PANIC: |traps: PANIC: )?double fault[:,]"),
        parse_double_fault,
        rank=3,
    ),
    Opening(
        "unhandled-fault",
        "Unhandled fault: ",
        re.compile(r"Unhandled fault: "),
        parse_unhandled_fault,
        rank=3,
    ),
    Opening(
        "alignment-trap",
        "Alignment trap: ",
        re.compile(r"Alignment trap: not handling"),
        parse_unhandled_fault,
        rank=3,
    ),
    Opening(
        "protection",
        "eneral protection fault",
        # Before 5.6 KASAN's hint was printed without a line end, so the fault may follow on its line.
        re.compile(
            r"(?:kasan: GPF could .{0,60}access)?(?:Oops: )?(?:segment-related )?general protection fault.*"
        ),
        parse_protection,
        rank=1,
    ),
    Opening(
        "divide", "divide", re.compile(r"(?:Oops: )?divide[ _]error: \w+ \[#\d+\]"), parse_divide, rank=1
    ),
    Opening(
        "invalid-opcode",
        "invalid opcode:",
        re.compile(r"(?:Oops: )?invalid opcode: "),
        parse_invalid_opcode,
        rank=1,
    ),
    Opening(
        "internal-error", "Internal error: ", re.compile(r"Internal error: "), parse_internal_error, rank=1
    ),
    Opening("die", "Oops", re.compile(r"Oops(?::|\b.*\[#\d+\])"), parse_internal_error, rank=1),
)
