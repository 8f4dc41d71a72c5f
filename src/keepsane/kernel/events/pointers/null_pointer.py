# SPDX-License-Identifier: GPL-2.0-or-later
"""What was done with a NULL pointer: a member read or written, a call, an access that KASAN checked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.oops import Oops
from keepsane.kernel.events.pointers.bad_pointer import done, from_instruction, is_like_poison, poison_held
from keepsane.kernel.log.architecture import DECODED
from keepsane.kernel.log.culprit import where
from keepsane.kernel.log.quote import first_stack, quote, quote_frame, quote_head, some
from keepsane.kernel.log.registers import KASAN_SHADOW_BASE, PAGE_BYTES
from keepsane.kernel.log.trap_address import is_page_only, pointer_of
from keepsane.model import Frame
from keepsane.report import Advice, Confidence, Evidence, Finding

SHADOW_SCALE_BYTES = 8

_FETCH = re.compile(r"instruction fetch|IABT")
_IP_LINE = re.compile(r"^\s*(?:[RE]?IP|pc|PC|NIP|epc)\b")
_X86_64 = re.compile(r"\s*(?:RIP(?:: | {1,4}\[<)|RAX: |RSP: )")
_KASAN_NULL = re.compile(
    r"KASAN: null-ptr-deref in range \[0x(?P<low>[0-9a-f]{1,16})-0x(?P<high>[0-9a-f]{1,16})\]"
)
_NOT_SHOWN = (
    "No instruction with its registers shows what the pointer held: it may as well be a stale pointer, or a"
    " small number."
)
_NOT_DECODED = (
    "The Code: line and the registers would show what the pointer held; the line was not decoded here, so it"
    " may as well be a stale pointer, or a small number."
)
_INSTALL = Advice(
    text="install what decodes the Code: line, and explain the log again",
    command="pip install 'keepsane[symbols]'",
    undo="pip uninstall capstone drgn",
    verify="the report shows instructions instead of bytes",
)
_DECODE = Advice(
    text="see the source line: decode the report with the kernel's debug information",
    command="keepsane explain LOG --vmlinux VMLINUX --modules DIRECTORY",
    undo="nothing is changed",
    verify="the frame shows a file and a line",
)


def fetches(event: Oops, *, limit_bytes: int = PAGE_BYTES) -> bool | None:
    """Tell whether the processor wanted to execute the bad address; None where the report does not say."""
    if event.access == "execute" or any(_FETCH.search(record.text) for record in event.records):
        return True
    if event.ip is not None:
        return event.ip.function is None and event.ip.address is not None and event.ip.address < limit_bytes
    return None if event.access is None else False


@rule("null-member-access", on=Oops)
def null_member_access(event: Oops, *, limit_bytes: int = PAGE_BYTES) -> Iterator[Finding]:
    """
    A member of a structure was used through a pointer that is NULL.

    What it means: the code followed a pointer to a structure, and the pointer was NULL. The address that
    faulted is the member's offset in the structure: 0x80 is the member 0x80 bytes behind its beginning, 0 is
    the first member or the thing pointed to itself.

    How we know: the processor reported a read or write, not a jump, and the instruction of the `Code:` line
    with the registers shows what the pointer held. NULL gives high confidence. A small number that is not
    NULL is said to be one, an index on NULL an element of an array, a number just below zero container_of()
    of NULL or an error code. With debug information the member is named; what only fits by its type is said
    to be unproven. Without instruction and registers the kernel's own words and the address are all
    there is, and the confidence is medium.

    What to do: look up which structure has a member at that offset (`pahole -C NAME VMLINUX`) in the
    function named, and find out how the pointer can be NULL there: never set, already cleared, or a lookup
    whose failure nobody checked. Where the pointer was no NULL, look for who overwrote it.

    When it is wrong: without the instruction a small number in a stale pointer looks the same, and so does an
    error pointer plus an offset that wraps around (-2 + 0x10 is 0xe). Where list_del()'s poison is
    not moved away (0x100, 0x122), a register with that very value counts as a deleted entry instead. An
    address that no member is likely to have (an odd one) is given low confidence for that reason.
    """
    fetch = fetches(event)
    if event.kind not in _FAULTS or fetch:
        return
    pointer = pointer_of(event, event.address) if event.address is not None else None
    if pointer is not None:
        yield from from_instruction(event, pointer, pointer.address, _decode(event), limit_bytes=limit_bytes)
    elif event.kind == "null-deref" and (event.address or 0) < limit_bytes and poison_held(event) is None:
        if is_like_poison(event):
            raise CannotTell("the report shows no registers: a list entry after its deletion looks the same")
        yield _member_finding(event, _address_told(event, fetch))


def _decode(event: Oops) -> tuple[Advice, ...]:
    return () if event.ip is not None and event.ip.locations else (_DECODE,)


def _address_told(event: Oops, fetch: bool | None) -> int:
    if event.address is None:
        raise CannotTell("the report is cut before it says which address faulted")
    if fetch is None and event.address == 0:
        raise CannotTell("the report is cut before it says whether NULL was read, written or called")
    return event.address


def _member_finding(event: Oops, address: int) -> Finding:
    what = done(event)
    if is_page_only(event.arch):
        title = (
            f"an address on the first page was {what}{where(event)}: probably a member of a NULL structure"
        )
        why = "The processor reported the page alone: how far behind NULL it was is not known."
    elif address:
        title = f"perhaps a member at offset {address:#x} of a NULL structure was {what}{where(event)}"
        why = f"NULL + {address:#x} faulted: if the pointer was NULL, its member is {address:#x} bytes in."
    else:
        title = (
            f"address 0 was {what}{where(event)}: perhaps a NULL pointer, or a NULL structure's first member"
        )
        why = (
            "The address was exactly 0: either the pointer itself was followed or the first member behind it."
        )
    undecoded = _is_undecoded(event)
    return Finding(
        severity="error",
        confidence="medium" if address % 2 == 0 else "low",
        title=title,
        evidence=some(quote_head(event, "the address that faulted"), _quote_ip(event, "who used it")),
        explanation=f"{why} {_NOT_DECODED if undecoded else _NOT_SHOWN}",
        advice=((_INSTALL,) if undecoded else ()) + _decode(event),
    )


def _quote_ip(event: Oops, note: str) -> Evidence | None:
    """Quote where it was; beside `EIP is at` there is a line of EIP without a function."""
    return quote_frame(event, event.ip, note) if event.ip is not None else quote(event, _IP_LINE, note)


def _is_undecoded(event: Oops) -> bool:
    """Tell whether there is an instruction that nobody decoded: where capstone is not installed."""
    code = event.code
    known = code is not None and code.trap_bytes is not None and not code.instructions
    return known and event.arch in DECODED and bool(event.registers)


@rule("call-through-null-pointer", on=Oops)
def call_through_null_pointer(event: Oops, *, limit_bytes: int = PAGE_BYTES) -> Iterator[Finding]:
    """
    A function pointer was NULL and was called.

    What it means: the processor was sent to address 0 (or just above): there is no code there. Somebody
    called through a pointer that nobody had set: a missing member of an operations table, a callback that was
    cleared, an uninitialised timer or work item.

    How we know: the instruction pointer itself was NULL or on the first page, or the processor reported an
    instruction fetch there. The caller is the first frame of the trace on x86-64, since the called function
    never ran, and the function in the link register (lr, LR, ra) where a machine has one; on others it is not
    named.

    What to do: look at the caller's line for the call through a pointer, and check the pointer before the
    call or set it where the table is built.

    When it is wrong: a return address overwritten with zero (a smashed stack) ends in the same way. Then the
    trace usually makes no sense, and its frames carry question marks. A small number that is not 0 was
    perhaps never a NULL pointer. Either lowers the confidence.
    """
    address = event.address
    if event.ip is not None and event.ip.function is None and event.ip.address is not None:
        address = event.ip.address
    if address is None or address >= limit_bytes or not fetches(event) or event.kind not in _FAULTS:
        return
    caller = _caller(event)
    doubts = (address != 0) + (caller is None or not caller.reliable)
    yield _call_finding(event, caller, ("high", "medium", "low")[doubts])


_FAULTS = ("null-deref", "page-fault")


def _caller(event: Oops) -> Frame | None:
    """Give who called: most machines keep it in a link register, and x86-64 on the stack."""
    if event.link is not None:
        return event.link
    if not any(_X86_64.match(record.text) for record in event.records):
        return None
    stack = first_stack(event)
    frames = [frame for frame in stack.frames if frame.function] if stack else []
    if stack and _begins_with(event, stack.frames[0]):
        return None  # the log begins inside the trace: its first frame may be lost
    return next((frame for frame in frames if frame.reliable), frames[0] if frames else None)


def _begins_with(event: Oops, frame: Frame) -> bool:
    """Say whether a report begins with a frame; the lines of a flattened log all have one number."""
    return frame.line == event.line and (frame.function or "") in event.records[0].text


def _call_finding(event: Oops, caller: Frame | None, confidence: Confidence) -> Finding:
    likely = "" if confidence == "high" else "probably "
    by = f" by {caller.function}" if caller else "; the log does not show by whom"
    return Finding(
        severity="error",
        confidence=confidence,
        title=f"{likely}a NULL function pointer was called{by}",
        evidence=some(
            quote(event, _IP_LINE, "where the processor was sent")
            or quote_head(event, "the address that faulted"),
            quote_frame(event, caller, "the caller") if caller else None,
        ),
        explanation=(
            "No code is at this address. What should have run left no frame; its caller is known."
            if caller
            else "No code is at this address, and the part of the report that names the caller is missing."
        ),
        advice=() if caller is None or caller.locations else (_DECODE,),
    )


@rule("kasan-shadow-null", on=Oops)
def kasan_shadow_null(event: Oops, *, limit_bytes: int = PAGE_BYTES) -> Iterator[Finding]:
    """
    KASAN looked up a NULL pointer: the strange address is NULL plus a member's offset.

    What it means: in a kernel built with KASAN every access first reads a shadow byte. For NULL that byte
    lies at an address that does not exist, so the NULL access shows up as a general protection fault or page
    fault at 0xdffffc0000000000 and a bit more, instead of as a NULL pointer dereference.

    How we know: the shadow address minus its base, times 8, is on the first page, or the kernel did the sum
    itself and says `KASAN: null-ptr-deref in range`.

    What to do: treat it as a NULL pointer dereference: the range is the offset of the member, 8 bytes wide.
    Find the structure with a member there and the way by which its pointer stays NULL.

    When it is wrong: the base 0xdffffc0000000000 is that of x86-64; another architecture is judged only by
    the kernel's own sentence. A small number that was never NULL gives the same range.
    """
    said = next((found for record in event.records if (found := _KASAN_NULL.search(record.text))), None)
    low = int(said["low"], 16) if said else _behind_shadow(event, limit_bytes)
    if low is None or low >= limit_bytes or event.kind not in ("general-protection", "page-fault"):
        return
    yield Finding(
        severity="error",
        confidence="high" if said else "medium",
        title=f"NULL + {low:#x} was used{where(event)}: the bad address is only KASAN's shadow of it",
        evidence=some(
            quote_head(event, "the shadow's address"), quote(event, _KASAN_NULL, "the kernel's own sum")
        ),
        explanation=(
            f"KASAN checks one shadow byte per {SHADOW_SCALE_BYTES} bytes; this one stands for {low:#x} to"
            f" {low + SHADOW_SCALE_BYTES - 1:#x}, that is a member of a NULL structure at such an offset."
        ),
        advice=() if event.ip is not None and event.ip.locations else (_DECODE,),
        references=("Documentation/dev-tools/kasan.rst",),
    )


def _behind_shadow(event: Oops, limit_bytes: int) -> int | None:
    if event.address is None:
        return None
    real = (event.address - KASAN_SHADOW_BASE) * SHADOW_SCALE_BYTES
    return real if 0 <= real < limit_bytes else None
