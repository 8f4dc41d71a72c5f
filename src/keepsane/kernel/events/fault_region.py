# SPDX-License-Identifier: GPL-2.0-or-later
"""What the address of a page fault is: KASAN's shadow, a freed page, read-only memory, an unmapped port."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.oops import Oops
from keepsane.kernel.log.quote import matched, quote, quote_head, quote_match, quote_register, some
from keepsane.kernel.log.registers import KASAN_SHADOW_BASE, address_words
from keepsane.model import Register
from keepsane.report import Advice, Confidence, Evidence, Finding

_USER_END = 1 << 47
"""The lower half with four-level page tables of x86-64."""
_SHADOW = range(0xFFFFEC0000000000, 0xFFFFFC0000000000)
"""KASAN's shadow of the kernel's half: Documentation/arch/x86/x86_64/mm.rst."""
_PAGE_BYTES = 4096
_OPTIONS = re.compile(r".{0,60}\[#\d{1,5}\]")
_PROTECTED = re.compile(r"#PF: error_code\(0x[0-9a-f]{1,8}\) - permissions violation")
_WRITE = re.compile(r"#PF: supervisor write access")
_EXECUTE = re.compile(r"kernel tried to execute NX-protected page|unable to execute userspace code")
_TABLES = re.compile(r"PGD [0-9a-f]{1,16} .{0,80}?PTE (?P<entry>[0-9a-f]{1,16})")
_CODE = re.compile(r"(?:Oops: ){1,2}(?P<code>[0-9a-f]{4})\b")
_X86_64 = re.compile(r"RIP: 0010:")
_ARM_PORTS = range(0xFEE00000, 0xFF000000)
"""PCI_IO_VIRT_BASE of arch/arm: the window of I/O ports."""


@rule("address-of-page-fault", on=Oops)
def address_of_page_fault(event: Oops) -> Iterator[Finding]:
    """
    The address of the fault is of a sort that says what went wrong.

    What it means: a write to read-only memory and an execution of data are forbidden whatever the pointer
    was. An address in KASAN's shadow stands for another, eight times as far: the one that was really to be
    used. An address of the lower half is no kernel pointer: it was overwritten, or is one of a program. A
    page whose entry is there and not present, in a kernel with DEBUG_PAGEALLOC, has been freed.

    How we know: the kernel prints the error code in words, the entries of the page table, and its options;
    the areas of the address space are fixed for the shadow and for the lower half.

    What to do: for a shadow address look for the pointer that was checked; for a lower-half one at who wrote
    into the structure it was read from. For a freed page see who freed it: page_owner=on and KASAN say so.

    When it is wrong: the areas are those of x86-64, the window of ports that of arm. A page may be made not
    present on purpose.
    """
    if event.kind != "page-fault" or event.address is None or event.address_means is not None:
        return
    said = _forbidden(event) or _region(event, event.address)
    if said is None:
        return
    title, why, confidence, quoted = said
    yield Finding(
        severity="error",
        confidence=confidence,
        title=title,
        evidence=some(quote_head(event, "the address that faulted"), quoted),
        explanation=why,
        references=("Documentation/arch/x86/x86_64/mm.rst",),
    )


_Said = tuple[str, str, Confidence, Evidence | None]


def _forbidden(event: Oops) -> _Said | None:
    """Say what was forbidden, whatever the address is: execution of data, a write to read-only memory."""
    execute = quote_match(event, _EXECUTE, "what was tried")
    if execute is not None:
        title = "data was to be executed as code"
        return title, _OVERWRITTEN, "high", execute
    protected = quote_match(event, _PROTECTED, "the error code in words")
    if protected is not None and matched(event, _WRITE) is not None:
        title = f"memory at {event.address:#x} that is read-only was to be written"
        return title, _CONSTANT, "high", protected
    return None


def _region(event: Oops, address: int) -> _Said | None:
    if event.arch == "arm" and address in _ARM_PORTS:
        port = address - _ARM_PORTS.start
        return f"the I/O port {port:#x} was used, and no bus maps it", _PORTS, "medium", None
    if event.arch != "x86_64" and matched(event, _X86_64) is None:
        return None
    options = quote_match(event, _OPTIONS, "the kernel's options")
    if address in _SHADOW and options is not None and "KASAN" in options.quote:
        real = (address - KASAN_SHADOW_BASE) * 8 % (1 << 64)
        return f"the bad address is only KASAN's shadow of {real:#x}", _SHADOWED, "high", options
    if _PAGE_BYTES <= address < _USER_END:
        return f"{address:#x} is no kernel address, but one of the lower half", _LOWER, "medium", None
    return _freed_page(event, options)


_OVERWRITTEN = "A function pointer or a return address was overwritten, or leads into freed code."
_CONSTANT = "It is constant data or code: the pointer is wrong, or the data is __ro_after_init."
_PORTS = "A driver looks for its device at a fixed port, and this machine has no such bus there."
_SHADOWED = "KASAN checks one byte there for 8 bytes; for that address there is none: no memory is behind it."
_LOWER = "The pointer was overwritten by something that is no pointer, or is one of a program."


def _freed_page(event: Oops, options: Evidence | None) -> _Said | None:
    tables = matched(event, _TABLES)
    if tables is None or options is None or "DEBUG_PAGEALLOC" not in options.quote:
        return None
    entry = int(tables["entry"], 16)
    if entry & 1 or not entry >> 12:
        return None
    why = "DEBUG_PAGEALLOC takes a page out of the kernel's map when it is freed: it was used after that."
    title = f"the page at {event.address:#x} had been freed"
    return title, why, "medium", quote_match(event, _TABLES, "not present")


_DOMAIN_FAULT = re.compile(
    r"Unhandled fault: (?:page|section) domain fault \(0x(?P<fsr>[0-9a-f]{3,8})\) "
    r"at 0x(?P<address>[0-9a-f]{8})\b"
)
_DAC = re.compile(r"Control: [0-9a-f]{8} .{0,40}DAC: (?P<dac>[0-9a-f]{8})")
_USER_DOMAIN = 1
"""DOMAIN_USER of arch/arm/include/asm/domain.h: the status has it in bits 4 to 7, DAC two bits for each."""


@rule("user-memory-while-access-is-off", on=Oops)
def user_memory_while_access_is_off(event: Oops) -> Iterator[Finding]:
    """
    On arm the kernel used an address of user memory while it had its access to that switched off.

    What it means: arm kernels switch access to user memory on only inside of copy_from_user() and its like.
    Any other use of such an address is refused: a pointer of a program that was followed directly, one that
    was overwritten, or NULL and an offset where the first page is mapped.

    How we know: the fault is a domain fault, its status names the domain of user memory, and `DAC:` has that
    domain at no access.

    What to do: find where the function named has that pointer from. One of a program needs copy_from_user()
    or get_user(). An address below 4096 is rather NULL and the offset of a member.

    When it is wrong: assembly that uses user memory on purpose and lost the line that switches access on.
    """
    said, control = matched(event, _DOMAIN_FAULT), matched(event, _DAC)
    if said is None or int(said["fsr"], 16) >> 4 & 0xF != _USER_DOMAIN:
        return
    if control is None:
        raise CannotTell("the line with DAC, which says whether access to user memory was off, is missing")
    if int(control["dac"], 16) >> 2 * _USER_DOMAIN & 3:
        return
    address = int(said["address"], 16)
    yield Finding(
        severity="error",
        confidence="high",
        title=f"the kernel used {address:#x}, an address of user memory, with access to that switched off",
        evidence=some(
            quote_match(event, _DOMAIN_FAULT, "domain 1 is user memory"),
            quote_match(event, _DAC, "no access to domain 1"),
        ),
        explanation=_SO_NEAR if address < _PAGE_BYTES else _OF_A_PROGRAM,
        advice=(Advice(text="find where the pointer comes from; one of a program needs copy_from_user()"),),
        references=("arch/arm/include/asm/domain.h; arch/arm/include/asm/uaccess.h",),
    )


_SO_NEAR = "So near to 0 it is rather NULL and the offset of a member than a pointer of a program."
_OF_A_PROGRAM = "The pointer is a program's and was followed directly, or it was overwritten."


@rule("stack-pointer-at-its-end", on=Oops)
def stack_pointer_at_its_end(event: Oops) -> Iterator[Finding]:
    """
    The fault was at the stack pointer itself: the kernel stack was used up.

    What it means: the processor could not push onto the stack, since below it is no memory. It has no stack
    for its own report then, hence the double fault. The function shown is only the one that needed the next
    bytes.

    How we know: the address of the fault (CR2) lies within a page of the stack pointer; a stack has memory on
    both sides of its pointer, unless it ends there.

    What to do: look for recursion, for large local variables, and for deep chains of drivers and file
    systems in the trace. Where the trace is empty, the stack tracer finds the deepest chain.

    When it is wrong: a stack pointer that was overwritten faults in the same way; one that is no address of
    the kernel's is said to be that.
    """
    if event.kind not in ("double-fault", "stack-overflow"):
        return
    known = {register.name: register for register in event.registers}
    pointer, fault = known.get("RSP"), known.get("CR2")
    if pointer is None or fault is None:
        raise CannotTell("the report does not show the stack pointer and CR2")
    if not _at_end(pointer, fault):
        return
    foreign = pointer.value < _USER_END
    yield Finding(
        severity="error",
        confidence="medium",
        title=f"the stack pointer held {pointer.value:#x}, which is no address of the kernel's"
        if foreign
        else "the kernel stack was used up: the fault was at the stack pointer",
        evidence=some(
            quote_register(event, pointer, "the stack pointer"),
            quote_register(event, fault, "the address that faulted"),
        ),
        explanation="The kernel ran on a program's stack, or the register was overwritten."
        if foreign
        else "Below the stack is a page without memory; the function shown needed the next bytes.",
        advice=()
        if foreign
        else (Advice(text="look in the trace for recursion and for large local variables"),),
        references=("Documentation/mm/vmalloced-kernel-stacks.rst",),
    )


def _at_end(pointer: Register, fault: Register) -> bool:
    """Tell whether the fault is within a page of the stack pointer: a frame went just out of its stack."""
    return abs(pointer.value - fault.value) < _PAGE_BYTES


_RANGE = re.compile(
    r"KASAN: (?:maybe |probably )?(?P<sort>wild|user)-memory-access in range "
    r"\[0x(?P<low>[0-9a-f]{1,16})-0x(?P<high>[0-9a-f]{1,16})\]"
)
_BETWEEN = re.compile(r"\[(?P<low>[0-9a-f]{8,16})\] address between user and kernel address ranges")


_NEAR_NULL = 1 << 16
"""Programs have nothing below (vm.mmap_min_addr); NULL and a member's offset do lie there."""


_NEAR = "A pointer that is NULL was followed to a member far behind its beginning."
_WILD = "It was overwritten, or read from where none was."


def _led_to(*, near: bool, user: bool) -> str:
    if near:
        return "probably NULL and the offset of a member"
    return "an address of a program" if user else "no address at all"


@rule("no-address-by-the-kernels-word", on=Oops)
def no_address_by_the_kernels_word(event: Oops) -> Iterator[Finding]:
    """
    The kernel itself says that the pointer was no address: KASAN names the range, arm64 the gap.

    What it means: the faulting address is often only the shadow of the one that was meant. KASAN computes
    that, and says whether it is one of a program or none at all. On arm64 an address between the two halves
    is no pointer. Either was read from memory that was overwritten, freed, or never set.

    How we know: the kernel prints the range of eight bytes, or that the address lies in the gap.

    What to do: find where the function of the title reads its pointer from, and who wrote there. A value made
    of letters or of a poison tells who.

    When it is wrong: the kernel says `maybe` and `probably`, since a fault of another sort may have such an
    address by chance.
    """
    if event.kind not in ("page-fault", "general-protection"):
        return
    ranged = matched(event, _RANGE)
    found = ranged or matched(event, _BETWEEN)
    if found is None:
        return
    low = int(found["low"], 16)
    user = ranged is not None and ranged["sort"] == "user"
    near = low < _NEAR_NULL
    words = None if near else address_words(low, kasan=False)
    yield Finding(
        severity="error",
        confidence="medium",
        title=f"the pointer led to {low:#x}: " + _led_to(near=near, user=user),
        evidence=some(quote_match(event, _RANGE, "in the kernel's words") or quote_match(event, _BETWEEN)),
        explanation=f"That looks like {words}."
        if words
        else "It was overwritten, or read from where none was.",
        references=("mm/kasan/report.c, kasan_non_canonical_hook(); arch/arm64/mm/fault.c, show_pte()",),
    )


_GUESSED = re.compile(r"kasan: GPF could be caused by NULL-ptr deref or user memory access")


@rule("shadow-of-null-in-registers", on=Oops)
def shadow_of_null_in_registers(event: Oops) -> Iterator[Finding]:
    """
    The registers show KASAN's check of a NULL pointer, which an old kernel reports as a protection fault.

    What it means: before 5.5 a kernel with inline KASAN only says `general protection fault` where its own
    check of a NULL pointer, or of one of a program, went wrong. The fault is then a NULL pointer dereference.

    How we know: one register holds the base of the shadow, 0xdffffc0000000000, and another the pointer
    divided by eight; where that is below 0x200, the pointer was NULL plus a member's offset.

    What to do: treat it as a NULL pointer dereference in the function of the title.

    When it is wrong: the small number may be in a register that has nothing to do with the check.
    """
    if event.kind != "general-protection" or event.address is not None or event.arch != "x86_64":
        return
    known = {register.name: register for register in event.registers}
    base = next((one for one in known.values() if one.value == KASAN_SHADOW_BASE), None)
    shifted = known.get("RDX") if base is not None and base.name == "RAX" else known.get("RAX")
    if base is None or shifted is None or shifted.value >= _PAGE_BYTES // 8:
        return
    sure = _looked_up(event, base, shifted)
    if sure is None:
        return
    yield Finding(
        severity="error",
        confidence=sure,
        title=f"{'' if sure == 'high' else 'probably '}NULL + {shifted.value * 8:#x} was used, says KASAN",
        evidence=some(
            quote_register(event, base, "the base of KASAN's shadow"),
            quote_register(event, shifted, "the pointer, divided by 8"),
            quote(event, _GUESSED, "the kernel's own guess"),
        ),
        explanation="The protection fault is that of KASAN's check; the pointer that it checked was NULL.",
        references=("Documentation/dev-tools/kasan.rst",),
    )


def _looked_up(event: Oops, base: Register, shifted: Register) -> Confidence | None:
    """Say how sure it is that the fault was at base plus shifted; None where the instruction used others."""
    trap = event.code.trap if event.code is not None else None
    if trap is not None:
        used = {name.strip("%").upper() for name in (trap.base, trap.index) if name is not None}
        return "high" if used == {base.name, shifted.name} and trap.scale == 1 else None
    checked = range(shifted.value * 8, shifted.value * 8 + 8)
    return "medium" if any(one.value in checked for one in event.registers if one != shifted) else "low"
