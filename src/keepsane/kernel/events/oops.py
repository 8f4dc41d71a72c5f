# SPDX-License-Identifier: GPL-2.0-or-later
"""
Faults the processor reported: bad pointers, general protection, division, invalid opcodes, stack overflow.

    BUG: kernel NULL pointer dereference, address: 0000000000000080       x86 since 5.1
    BUG: unable to handle kernel paging request at ffff88002bde1e40       x86 before
    Unable to handle kernel paging request at virtual address 00800000    arm64, arm
    BUG: Kernel NULL pointer dereference on read at 0x00000430            powerpc since 5.2
    BUG: Unable to handle kernel data access on write at 0xc0000000deadbeef
    general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP
    divide error: 0000 [#1] PREEMPT SMP NOPTI
    BUG: TASK stack guard page was hit at ffffc9000012bff8 (stack is ffffc9000012c000..ffffc90000130000)
    PANIC: double fault, error_code: 0x0

Source: arch/x86/mm/fault.c, show_fault_oops(); arch/x86/kernel/traps.c; arch/x86/kernel/dumpstack.c,
__die_header(); arch/arm64/mm/fault.c, die_kernel_fault(); arch/arm64/kernel/traps.c, die().
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from keepsane.kernel.log.architecture import architecture
from keepsane.kernel.log.block import PRELUDE, Block, Opening, build, titled
from keepsane.kernel.log.body import Body
from keepsane.kernel.log.culprit import culprit, is_machinery, plain_name, runs_in, traces
from keepsane.kernel.log.fault_registers import access_of, address_of
from keepsane.kernel.log.registers import PAGE_BYTES, address_words, is_canonical
from keepsane.kernel.log.trap_address import address_bits
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
    r".{0,400}?(?:address:? (?:space )?|request(?: from \w{1,32} \w{1,32})? at "
    r"|dereference (?:from \w{1,32} \w{1,32} )?at "
    r"| on (?:read|write) at |unaligned access at |was hit at |fault at )(?:virtual address )?"
    r"(?:0x)?(?P<address>[0-9a-fA-F]{8,16})\b"
)
_PPC_ACCESS = re.compile(
    r"BUG: .{10,80}? on (?P<access>read|write) at 0x"
    r"|(?:BUG: )?Unable to .{10,60} instruction (?P<fetch>fetch)"
)
_COUNT = re.compile(r".*\[#(?P<count>\d{1,5})\]")
_PF_ACCESS = re.compile(r"#PF: \w+ (?P<access>read|write|instruction fetch)")
_OOPS_CODE = re.compile(r"(?:[Uu]nable to handle .{20,70}? )?(?:Oops: ){1,2}(?P<code>[0-9a-f]{4})\b(?! ilc:)")
_ARM_ACCESS = re.compile(r".{0,200} when (?P<access>read|write|execute)\s*+$")
_S390_STATE = re.compile(r"Krnl PSW : ")
_S390_ADDRESS = re.compile(r"Failing address: (?P<address>[0-9a-f]{1,16}) TEID: ")
_FETCHED = re.compile(r"Faulting instruction address: 0x(?P<address>[0-9a-f]{8,16})\b")
UNHANDLED = re.compile(
    r"Unhandled (?:fault|prefetch abort): (?P<what>[^(\n]{0,80}+)\([^)]{0,20}+\) at "
    r"(?:0x)?(?P<address>[0-9a-f]{8,16})\b"
)
BAD_ADDRESS = re.compile(
    r".*?(?:NULL pointer dereference|kernel paging request|user memory|access user-memory|bad area)"
)
OVERRAN = re.compile(r"Thread overran stack, or stack corrupted")
_CR2 = re.compile(r"CR2: (?P<address>[0-9a-f]{16}|[0-9a-f]{8})\b")
_NULL = re.compile(r" at {1,40}+(?:virtual address {1,40}+)?\(null\)")
_CR4_LA57 = 1 << 12
_ADDRESS_DIGITS = (8, 16)


def _access(block: Block) -> str | None:
    """Read what was tried, from words, x86's error code (bit 1 write, bit 4 fetch), or others' registers."""
    words = block.find(_PF_ACCESS)
    if words is not None:
        return words["access"].replace("instruction fetch", "execute")
    ppc = block.find(_PPC_ACCESS)
    if ppc is not None:
        return ppc["access"] or "execute"
    code = block.find(_OOPS_CODE)
    if code is not None and block.find(_S390_STATE) is None:
        bits = int(code["code"], 16)
        return "execute" if bits & 16 else "write" if bits & 2 else "read"
    arm = _ARM_ACCESS.match(block.head_record.text)
    return arm["access"] if arm else access_of(block.body.registers)


def _canonical_bits(block: Block) -> int:
    """
    Give the width of an address on x86-64, which CR4 tells.

    Where it does not, 48 bits are not canonical wherever the kernel says so: it knows its own width.
    """
    if "non-canonical address" in block.head_record.text:
        return 48
    cr4 = next((register.value for register in block.body.registers if register.name == "CR4"), None)
    return 57 if cr4 is None or cr4 & _CR4_LA57 else 48


def _means(block: Block, kind: Kind, address: int | None) -> str | None:
    """Say what the address looks like; only x86 has general protection faults and non-canonical addresses."""
    if address is None:
        return None
    if address == 0 and block.find(_S390_ADDRESS) is not None:
        return "the first page: NULL, or up to 0xfff bytes behind it"
    if kind != "general-protection":
        wide = address_bits(architecture(block.records, block.body.stacks))
        return address_words(address, registers=block.body.registers, bits=wide)
    bits = _canonical_bits(block)
    if is_canonical(address, bits):
        return "a canonical address, which is not refused as such: its alignment was, or something else"
    kasan = any("KASAN" in record.text or "kasan: " in record.text for record in block.records)
    return address_words(address, canonical_bits=bits, kasan=kasan, registers=block.body.registers)


def _oops(
    block: Block, kind: Kind, what: str, address: int | None = None, *, title: str | None = None
) -> Oops:
    return build(
        Oops,
        block,
        kind,
        title or titled(what, faulting_function(block)),
        block.find(_COUNT),
        needs_end=True,
        address=address,
        address_means=_means(block, kind, address),
        access=_access(block),
    )


def parse_jump(block: Block) -> Oops | None:
    """
    Read a jump to the first page that arm64 up to 4.9 calls a bad mode; None where it went elsewhere.

    Accepted format:
        Bad mode in Synchronous Abort handler detected, code 0x86000006 -- IABT (current EL)
        PC is at 0x0
    """
    ip = block.body.ip
    if ip is None or ip.function is not None or ip.address is None or ip.address >= PAGE_BYTES:
        return None
    found = _oops(block, "null-deref", "NULL pointer dereference", ip.address)
    return replace(found, access="execute")


def faulting_function(block: Block) -> str | None:
    """Name who called where the processor was sent to no code, as a link register says it."""
    lost = block.body.ip is not None and block.body.ip.function is None
    caller = block.body.link if lost else None
    if caller is None or not caller.function or is_machinery(caller.function, caller.module):
        return culprit(block.body) or _alone(block.body)
    return plain_name(caller.function)


def _alone(body: Body) -> str | None:
    """Name what was executing where the report has no trace: machinery or not, it is all that is known."""
    ip = body.ip
    return plain_name(ip.function) if ip is not None and ip.function and not body.stacks else None


def _address(found: re.Match[str] | None) -> int | None:
    return int(found["address"], 16) if found else None


def parse_bad_address(block: Block) -> Oops | None:
    """
    Read a fault on an address: a NULL pointer where the kernel says so or the address is on the first page.

    Accepted format:
        BUG: kernel NULL pointer dereference, address: 0000000000000080
        BUG: unable to handle page fault for address: ffffc90000a7f000
        Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010
    """
    if len(block.openings) == 1 and block.head_record.text.lstrip().startswith('"'):
        return None  # only quoted: no report follows
    address = _address_words(block)
    if block.find(OVERRAN) is not None:
        return _oops(block, "stack-overflow", "stack overrun or corrupted", address)
    if "NULL pointer" in block.head_record.text:
        return _oops(block, "null-deref", "NULL pointer dereference", address)
    if "unaligned access" in block.head_record.text:
        return _oops(block, "alignment", "unaligned access", address)
    if address is not None and address < PAGE_BYTES:
        return _oops(block, "null-deref", "NULL pointer dereference", address)
    return _oops(block, "page-fault", "bad page access", address)


def parse_overrun(block: Block) -> Oops | None:
    """
    Read a fault of a task whose stack's last word is overwritten.

    Accepted format:
        Thread overran stack, or stack corrupted
        Oops: 0002 [#1] SMP
    """
    return parse_bad_address(block)


def _address_words(block: Block) -> int | None:
    """Give the address of the first line or else of CR2; None where the line is cut inside it."""
    text = block.head_record.text
    found = _ADDRESS.match(text)
    if found and not _is_cut(block, found):
        return _address(found)
    if _NULL.search(text):
        return 0
    if "instruction fetch" in text:
        return _address(block.find(_FETCHED))
    own = address_of(block.body.registers)
    return own if own is not None else _address(block.find(_CR2) or block.find(_S390_ADDRESS))


def _is_cut(block: Block, found: re.Match[str]) -> bool:
    """Tell whether digits may be missing: zeros in front and no full width, or half at the log's end."""
    digits = len(found["address"])
    last = block.cut and block.records[-1] is block.head_record and found.end() == len(found.string.rstrip())
    return (last and digits < 16) or (found["address"].startswith("0") and digits not in _ADDRESS_DIGITS)


def parse_protection(block: Block) -> Oops | None:
    """
    Read a general protection fault.

    Accepted format:
        general protection fault, probably for non-canonical address 0xdffffc0000000000: 0000 [#1] SMP
        general protection fault: 0000 [#1] SMP KASAN
    """
    found = re.match(r".*?(?:address|dereference) 0x(?P<address>[0-9a-f]{1,16})", block.head_record.text)
    return _oops(block, "general-protection", "general protection fault", _address(found))


def parse_divide(block: Block) -> Oops | None:
    """Read a division by zero or one whose result does not fit: `divide error: 0000 [#1] SMP`."""
    return _oops(block, "divide-error", "divide error")


def parse_invalid_opcode(block: Block) -> Oops | None:
    """Read an invalid opcode that no `kernel BUG at` line explains: `invalid opcode: 0000 [#1] SMP`."""
    return _oops(block, "invalid-opcode", "invalid opcode")


def parse_stack_overflow(block: Block) -> Oops | None:
    """
    Read a kernel stack that ran into its guard page.

    Accepted format:
        BUG: TASK stack guard page was hit at 00000000e2b1c4d5 (stack is 000000003f0a7716..00000000a95d8e21)
        BUG: stack guard page was hit at ffffc9000012bff8 (stack is ...)
        Insufficient stack space to handle exception!                     arm64
    """
    what, address = "kernel stack overflow", _guard_address(block)
    # Deep calls span many functions, and a random one fills the stack: the call that led to them counts, too.
    frames = next((stack.frames for stack in traces(block.body.stacks) if runs_in(stack.frames)), ())
    inner = faulting_function(block)
    entered = runs_in(frames)
    title = f"{what} at {inner} in {entered}" if inner and entered not in (None, inner) else None
    return _oops(block, "stack-overflow", what, address, title=title)


def _guard_address(block: Block) -> int | None:
    """Give the address in the guard page; `%p` prints a hash of it from 4.15 on, with zeros in front."""
    found = _ADDRESS.match(block.head_record.text)
    if found is None or found["address"].startswith("00000000"):
        found = block.find(_CR2)
    return _address(found)


def parse_double_fault(block: Block) -> Oops | None:
    """
    Read a fault while a fault was being delivered.

    Accepted format:
        PANIC: double fault, error_code: 0x0
        double fault: 0000 [#1] SMP NOPTI

    Source: arch/x86/kernel/traps.c, exc_double_fault(), which prints both and then stops the machine.
    """
    return _oops(block, "double-fault", "double fault")


def parse_died_of_fault(block: Block, what: str) -> Oops:
    """
    Read a fault that only the line of die() tells, `what` in words.

    Accepted format:
        Oops: 0000 [#1] SMP
    """
    said = _address(block.find(UNHANDLED))
    return _oops(block, "page-fault", what, address_of(block.body.registers) if said is None else said)


def parse_unhandled_fault(block: Block) -> Oops | None:
    """
    Read an arm or arm64 abort that has no handler of its own: alignment, domain, external abort.

    Accepted format:
        Unhandled fault: page domain fault (0x01b) at 0x00000e30
        Alignment trap: not handling instruction e1b21f9f at [<802b4048>]
    """
    if is_of_a_program(block):
        found = block.find(UNHANDLED)
        title = (
            f"a program's fault: {found['what'].strip()}" if found else "a program's fault: alignment trap"
        )
        return build(Oops, block, "user-fault", title, damage="", address=_address(found))
    return parse_died_of_fault(block, "unhandled fault")


def parse_early_fault(block: Block, address: int) -> Oops:
    """Read a page fault of a kernel that has only begun to boot; `address` is what its first line says."""
    if address < PAGE_BYTES:
        return _oops(block, "null-deref", "NULL pointer dereference", address)
    return _oops(block, "page-fault", "bad page access", address)


def parse_by_registers(block: Block) -> Oops | None:
    """Read a fault whose headline is lost, by the register that holds the address; None without it."""
    address = address_of(block.body.registers)
    return None if address is None else parse_early_fault(replace(block, head=_NOTHING), address)


_NOTHING = next(re.finditer("", ""))
"""A match without groups."""


def is_of_a_program(block: Block) -> bool:
    """
    Tell whether a program faulted: in the kernel the line of die() follows.

    Where the log ends before it could come, that is not known. Source: arch/arm/mm/fault.c, do_DataAbort().
    """
    body = block.body
    bare = body.task is None and body.ip is None and not body.stacks and "panic" not in block.openings
    return len(block.openings) == 1 and bare and not block.cut


def parse_said(block: Block, kind: Kind, what: str) -> Oops:
    """Read a report of which only its kind is known, from the line of die()."""
    return _oops(block, kind, what)


# Before 5.6 KASAN's hint was printed without a line end, so the fault may follow on its line.
_PROTECTION = r"(?:kasan: GPF could .{0,60}access)?(?:Oops: )?(?:segment-related )?general protection fault.*"

_BEFORE_DIE = frozenset({"bad-address", "null-by-bug", "null-pointer", "mips-bad-address", "stack-guard"})
_INSIDE = {"null-by-bug": frozenset({"bug"}), "overran": frozenset({"bad-address", "null-pointer"})}
_STACK_OVERFLOW = r"(?:Oops: )?[Kk]ernel stack overflow(?= \(|[:.]| in process |\s*+$)"
OPENINGS = tuple(
    Opening(
        name,
        re.compile(pattern),
        parse,
        rank=rank,
        detail_of=_INSIDE.get(name, frozenset()),
        awaits=name in _BEFORE_DIE,
    )
    for name, rank, parse, pattern in (
        # So stops BUG() of arm up to 3.1 and of mips in 2.4: it writes to NULL (arch/arm/kernel/traps.c).
        (
            "null-by-bug",
            3,
            parse_bad_address,
            r"Unable to handle kernel (?:NULL pointer dereference|paging request) at virtual address 0{8}\b",
        ),
        (
            "bad-address",
            3,
            parse_bad_address,
            r"(?:BUG: )?[Uu]nable to handle (?:kernel|page fault|paging request|access|user"
            r"|unknown paging|unaligned)",
        ),
        ("overran", PRELUDE, parse_overrun, OVERRAN.pattern),
        ("null-pointer", 3, parse_bad_address, r"BUG: [Kk]ernel NULL pointer dereference"),
        ("stack-guard", 3, parse_stack_overflow, r"BUG: (?:\w+ )?stack guard page was hit"),
        ("guard-page", 1, parse_stack_overflow, r"(?:Oops: )?stack guard page: \w+ \[#\d{1,20}\]"),
        ("kernel-stack-overflow", 2, parse_stack_overflow, _STACK_OVERFLOW),
        ("insufficient-stack", 3, parse_stack_overflow, r"Insufficient stack space to handle exception"),
        ("double-fault", 3, parse_double_fault, r"(?:traps: )?PANIC: double fault,"),
        ("double-fault-oops", 1, parse_double_fault, r"(?:Oops: )?double fault: \w+ \[#\d{1,20}\]"),
        ("protection", 1, parse_protection, _PROTECTION),
        # mips says which processor in front (arch/mips/mm/fault.c, __do_page_fault()).
        ("mips-bad-address", 3, parse_bad_address, r"CPU \d{1,5} Unable to handle kernel "),
        ("divide", 1, parse_divide, r"(?:Oops: )?divide[ _]error: \w+ \[#\d{1,20}\]"),
        ("invalid-opcode", 1, parse_invalid_opcode, r"(?:Oops: )?invalid opcode: "),
    )
)
