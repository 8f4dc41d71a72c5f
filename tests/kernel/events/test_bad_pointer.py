# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of a bad pointer: what the instruction and its registers prove, and no more."""

from __future__ import annotations

import sys

import pytest

from keepsane.api import explain
from keepsane.report import Finding

pytest.importorskip("capstone")


def x86(address: int, code: str, **registers: int) -> str:
    """Write a report of x86-64 on a read; a page fault where the address is not on the first page."""
    head = "kernel NULL pointer dereference" if address < 4096 else "unable to handle page fault for"
    shown = " ".join(f"{name}: {value:016x}" for name, value in registers.items())
    return (
        f"BUG: {head}{',' if address < 4096 else ''} address: {address:016x}\n"
        "#PF: supervisor read access in kernel mode\nOops: 0000 [#1] SMP NOPTI\n"
        "CPU: 3 PID: 777 Comm: worker Not tainted 5.17.5 #2\n"
        "RIP: 0010:widget_unlink+0x67/0x250\n"
        f"Code: {code}\n{shown}\n"
        "Call Trace:\n widget_close+0x10/0x40\n---[ end trace 0000000000000000 ]---\n"
    )


def i386(address: int, code: str, registers: str) -> str:
    return (
        f"BUG: unable to handle kernel NULL pointer dereference at {address:08x}\n"
        "Oops: 0000 [#1] SMP\nEIP: widget_unlink+0x67/0x250\n"
        f"Code: {code}\n{registers}\n---[ end trace 0000000000000000 ]---\n"
    )


def found(log: str, rule: str = "null-member-access") -> Finding:
    (finding,) = (finding for finding in explain(log, cache=False).findings if finding.rule == rule)
    return finding


MINUS_8, MINUS_2, MINUS_776 = 2**64 - 8, 2**64 - 2, 2**64 - 776


@pytest.mark.parametrize(
    ("log", "confidence", "title"),
    [
        (
            x86(0x80, "<48> 8b 90 80 00 00 00", RAX=0),
            "high",
            "a member at offset 0x80 of a NULL structure was read in widget_unlink",
        ),
        (
            x86(0, "<48> 8b 10", RAX=0),
            "high",
            "NULL itself was read in widget_unlink: a pointer, or the first member of a NULL structure",
        ),
        (
            x86(0x2341, "<0f> b6 90 41 23 00 00", RAX=0),
            "high",
            "a member at offset 0x2341 of a NULL structure was read in widget_unlink",
        ),
        (
            x86(MINUS_8, "<48> 8b 50 f8", RAX=0),
            "high",
            "what lies 0x8 bytes before NULL was read in widget_unlink",
        ),
        (
            x86(0xB, "<48> 89 51 08", RCX=3, RDX=1),
            "medium",
            "the pointer was 0x3, not NULL: a corrupted value was followed in widget_unlink",
        ),
        (
            x86(0x20, "<48> 8b 51 08", RCX=0x18),
            "medium",
            "the pointer was 0x18, not NULL: a member's address in a NULL structure, or a corrupted value,"
            " was followed in widget_unlink",
        ),
        (
            x86(0xB40, "<48> 8b 04 c8", RAX=0, RCX=0x168),
            "high",
            "element 0x168 of a NULL array was read in widget_unlink",
        ),
        (
            x86(0x168, "<0f> b6 04 08", RAX=0x168, RCX=0),
            "high",
            "NULL with an index of 0x168 was read in widget_unlink",
        ),
        (
            x86(0, "<48> 8b 51 08", RCX=MINUS_8),
            "medium",
            "a member of container_of() of NULL, or else of the error pointer -8 (ENOEXEC), was read"
            " in widget_unlink",
        ),
        (
            i386(0, "<8b> 40 0c", "EAX: fffffff4 EBX: f6a3c000"),
            "medium",
            "a member of container_of() of NULL, or else of the error pointer -12 (ENOMEM), was read"
            " in widget_unlink",
        ),
        (
            x86(0xE, "<48> 8b 51 10", RCX=MINUS_2),
            "medium",
            "an error pointer was followed in widget_unlink, not NULL: -2 (ENOENT)",
        ),
        (
            x86(0x8, "<48> 8b 91 10 03 00 00", RCX=MINUS_776),
            "medium",
            "container_of() of NULL was read in widget_unlink: NULL minus 0x308 bytes",
        ),
        (
            x86(0x10, "<48> 8b 04 c8", RAX=0xFFFF888104054010, RCX=2**64 - 0x1FFFF0EFDF57F600 + 0xC00),
            "medium",
            "perhaps a member at offset 0x10 of a NULL structure was read in widget_unlink",
        ),
        (
            x86(0x10, "<48> 8b 04 08", RAX=0xFFFF888104054010, RCX=2**64 - 0xFFFF888104054000),
            "medium",
            "the pointer was not NULL: an index took it to 0x10 in widget_unlink",
        ),
    ],
)
def test_the_pointer_decides_what_is_said(log: str, confidence: str, title: str) -> None:
    finding = found(log)
    assert (finding.confidence, finding.title) == (confidence, title)


def test_the_instruction_and_its_registers_are_the_evidence() -> None:
    finding = found(x86(0xB, "48 8b 50 08 <48> 89 51 08", RCX=3, RDX=1))
    _, _, code, register = finding.evidence
    assert (code.quote, code.note) == ("<48>", "movq %rdx, 8(%rcx)")
    assert register.quote.startswith("RCX: 0000000000000003")
    assert "RCX (0x3) + 0x8" in finding.explanation


@pytest.mark.parametrize(
    "log",
    [
        x86(0x80, "Bad RIP value.", RAX=0),  # no instruction
        x86(0x80, "<48> 8b 90 80 00 00 00", RBX=0),  # no register
        x86(0x80, "<48> 8b 90 80 00 00 00", RAX=0xFFFF888104054000),  # another's registers
        x86(0x80, "<65> 48 8b 04 25 80 00 00 00", RAX=0),  # memory of a CPU
    ],
)
def test_what_is_not_proven_is_never_certain(log: str) -> None:
    finding = found(log)
    assert finding.confidence == "medium"
    assert "may as well be a stale pointer" in finding.explanation


def test_an_odd_address_that_nothing_proves_is_hardly_a_member() -> None:
    assert found(x86(0xB, "Bad RIP value.", RAX=0)).confidence == "low"


def test_without_a_disassembler_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "capstone", None)
    report = explain(x86(0x80, "<48> 8b 90 80 00 00 00", RAX=0), cache=False)
    assert report.events[0].code is not None and report.events[0].code.trap is None
    (finding,) = (finding for finding in report.findings if finding.rule == "null-member-access")
    assert finding.confidence == "medium"
    assert "pip install 'keepsane[symbols]'" in [advice.command for advice in finding.advice]


@pytest.mark.parametrize(
    ("log", "title"),
    [
        (
            x86(2**64 - 2 + 1, "<0f> b6 41 01", RCX=MINUS_2, RDX=2**64 - 12),
            "possibly an error pointer was followed in widget_unlink: -2 (ENOENT)",
        ),
        (
            i386(2**32 - 12, "<8b> 00", "EAX: fffffff4 EBX: f6a3c000").replace(
                "kernel NULL pointer dereference", "kernel paging request"
            ),
            "possibly an error pointer was followed in widget_unlink: -12 (ENOMEM)",
        ),
    ],
)
def test_the_error_code_is_that_of_the_pointer_that_was_followed(log: str, title: str) -> None:
    assert found(log, "error-pointer-dereferenced").title == title


def test_an_offset_below_null_is_no_error_pointer() -> None:
    rules = [finding.rule for finding in explain(x86(MINUS_8, "<48> 8b 50 f8", RAX=0), cache=False).findings]
    assert rules == ["null-member-access"]


def test_a_poison_in_a_register_that_the_instruction_did_not_use_is_not_named() -> None:
    log = (
        "general protection fault: 0000 [#1] SMP\nCPU: 3 PID: 777 Comm: worker Not tainted 4.19.0 #2\n"
        "RIP: 0010:widget_unlink+0x67/0x250\nCode: <48> 8b 51 08\n"
        "RAX: 6b6b6b6b6b6b6b6b RBX: ffff888104054000 RCX: {:016x}\n"
        "Call Trace:\n widget_close+0x10/0x40\n---[ end trace 0000000000000000 ]---\n"
    )
    clear = [finding.rule for finding in explain(log.format(0x1234567812345678), cache=False).findings]
    fires = [finding.rule for finding in explain(log.format(0x6B6B6B6B6B6B6B6B), cache=False).findings]
    assert (clear, fires) == ([], ["use-after-free-by-poison"])


@pytest.mark.parametrize(
    "log",
    [
        # A table at a fixed address with a wild index, a base that is an offset, KASAN's shadow of 0x18.
        x86(0xFFFFFFFC45040758, "<4c> 03 2c ed 60 c0 39 91", RBP=0xFFFFFFFF967948DF),
        x86(0xFFFF888104054000, "<48> 8b 04 08", RAX=0, RCX=0xFFFF888104054000),
        x86(0xDFFFFC0000000003, "<80> 3c 01 00", RAX=3, RCX=0xDFFFFC0000000000),
        x86(0xFFFFFFFF913AC060, "<48> 8b 80 60 c0 3a 91", RAX=0),
    ],
)
def test_a_fault_elsewhere_is_no_null_pointer(log: str) -> None:
    assert "null-member-access" not in [finding.rule for finding in explain(log, cache=False).findings]


GPF = (
    "general protection fault{}: 0000 [#1] SMP\nCPU: 3 PID: 777 Comm: worker Not tainted 5.17.5 #2\n"
    "RIP: 0010:widget_unlink+0x67/0x250\nCode: <48> 8b 51 18\nRAX: 0000000000000000 RCX: {:016x}\n"
    "Call Trace:\n widget_close+0x10/0x40\n---[ end trace 0000000000000000 ]---\n"
)
DOCUMENT = int.from_bytes(b"document", "little")


@pytest.mark.parametrize(
    "address", ["", f", probably for non-canonical address {DOCUMENT + 0x18:#x}"], ids=["before 5.5", "since"]
)
def test_a_pointer_of_letters_is_read_in_the_register_that_was_followed(address: str) -> None:
    finding = found(GPF.format(address, DOCUMENT), "text-used-as-pointer")
    assert finding.title == "text was used as a pointer in widget_unlink: `document`"
    assert finding.confidence == "medium"


@pytest.mark.parametrize(
    "value", [0x6B6B6B6B6B6B6B6B, 0x2020202020202020, 0x00007F6F6E6D6C6B, 0x1234567812345678]
)
def test_a_fill_pattern_or_a_number_is_no_text(value: int) -> None:
    rules = [finding.rule for finding in explain(GPF.format("", value), cache=False).findings]
    assert "text-used-as-pointer" not in rules


@pytest.mark.parametrize(
    ("value", "held"),
    [("00000100", "LIST_POISON1, the next pointer"), ("00000122", "LIST_POISON2, the prev")],
)
def test_a_list_poison_of_32_bits_is_a_small_number(value: str, held: str) -> None:
    log = i386(int(value, 16) + 4, "<8b> 51 04", f"EAX: f6a3c000 EBX: f6a3c000 ECX: {value} EDX: 00000000")
    finding = found(log)
    assert finding.title.startswith(f"the pointer was {int(value, 16):#x}, not NULL: ")
    assert held in finding.explanation


ARM = (
    "Unable to handle kernel NULL pointer dereference at virtual address 00000004\n"
    "Internal error: Oops: 17 [#1] SMP ARM\nCPU: 0 PID: 77 Comm: worker Not tainted 4.14.0 #1\n"
    "PC is at widget_get+0x10/0x40\npc : [<c0123454>]    lr : [<c0123400>]    psr: 60000013\n"
    "r3 : 00000000  r2 : c0a0b0c0  r1 : 00000001  r0 : c7a3a000\n"
    "Code: e3a02001 e1a03007 (e5930004)\n---[ end trace 78180528c62bb300 ]---\n"
)
MIPS = (
    "CPU 0 Unable to handle kernel paging request at virtual address 00000018, epc == 80123454, "
    "ra == 80123400\n"
    "Oops[#1]:\nCPU: 0 PID: 77 Comm: worker Not tainted 5.4.0 #1\n"
    "$ 0   : 00000000 00000001 8f0c0000 00000000\n$ 4   : 00000000 00000001 8f0c1e40 8f0c0000\n"
    "epc   : 80123454 widget_get+0x6c/0x88\nra    : 80123400 widget_new+0x20/0x60\n"
    "Code: 24420001 <8c820018> 03e00008\n---[ end trace 78180528c62bb300 ]---\n"
)
RISCV = (
    "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010\nOops [#1]\n"
    "CPU: 0 PID: 77 Comm: worker Not tainted 6.5.0 #1\nepc : widget_get+0x10/0x40\n"
    "epc : ffffffff80123454 ra : ffffffff80123400 sp : ff20000000013d10\n"
    " a5 : 0000000000000000 a6 : ff6000000203a000 a7 : 0000000000000001\n"
    "Code: 842a b783 0107 (6b9c)\n---[ end trace 0000000000000000 ]---\n"
)
POWERPC = (
    "BUG: Unable to handle kernel NULL pointer dereference at 0x00000430\n"
    "Oops: Kernel access of bad area, sig: 11 [#1]\n"
    "NIP:  c0123454 LR: c0123400 CTR: c0012340\nNIP [c0123454] widget_get+0x10/0x40\n"
    "GPR00: c0123400 c7a3bd10 c7a3a000 00000000 00000001 00000000 00000000 00000000\n"
    "Code: 7c7f1b78 <81230430>\n---[ end trace 78180528c62bb300 ]---\n"
)


@pytest.mark.parametrize(("log", "offset"), [(ARM, 4), (MIPS, 0x18), (RISCV, 0x10), (POWERPC, 0x430)])
def test_a_null_pointer_is_proven_on_each_machine(log: str, offset: int) -> None:
    finding = found(log)
    assert finding.title.startswith(f"a member at offset {offset:#x} of a NULL structure was read")
    assert finding.confidence == "high"
    assert any("the register is 0" in quoted.note for quoted in finding.evidence)
