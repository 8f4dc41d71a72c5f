# SPDX-License-Identifier: GPL-2.0-or-later
"""Traps by their names, as each architecture's die() prints them."""

from __future__ import annotations

import pytest

from keepsane.kernel.events.oops import Oops
from keepsane.kernel.events.trap import CpuTrap
from keepsane.model import Event
from tests.golden import events_of, first_of

BODY = """
CPU: 0 PID: 77 Comm: insmod Not tainted 5.14.0 #1
RIP: 0010:widget_poke+0x10/0x40 [crashme]
Call Trace:
 widget_init+0x10/0x20 [crashme]
---[ end trace 0000000000000000 ]---
"""
KIND_OF_NAME = {
    "divide error": "divide-error",
    "overflow": "x86-trap",
    "bounds": "x86-trap",
    "invalid opcode": "invalid-opcode",
    "int3": "x86-trap",
    "debug": "x86-trap",
    "coprocessor segment overrun": "x86-trap",
    "invalid TSS": "x86-trap",
    "segment not present": "x86-trap",
    "stack segment": "x86-trap",
    "alignment check": "x86-trap",
    "simd exception": "x86-trap",
    "fpu exception": "x86-trap",
    "iret exception": "x86-trap",
    "control protection fault": "x86-trap",
    "unexpected #NM exception": "x86-trap",
    "VE fault": "x86-trap",
    "Split lock detected": "x86-trap",
    "double fault": "double-fault",
    "machine check": "machine-check",
    "stack guard page": "stack-overflow",
    "kernel stack overflow (page fault)": "stack-overflow",
    "general protection fault": "general-protection",
    "segment-related general protection fault": "general-protection",
    "general protection fault, maybe for address 0x7f0012345678": "general-protection",
    "general protection fault, probably for non-canonical address 0xdead000000000100": "general-protection",
    "general protection fault, kernel NULL pointer dereference 0x0": "general-protection",
    "Bad pagetable": "page-fault",
    "a trap of tomorrow": "other",
}


def only(log: str) -> Event:
    (event,) = events_of(log)
    return event


@pytest.mark.parametrize("prefix", ["", "Oops: "])
@pytest.mark.parametrize("name", KIND_OF_NAME)
def test_a_trap_of_x86_has_its_own_name_with_and_without_oops_before_it(name: str, prefix: str) -> None:
    event = only(f"{prefix}{name}: 0000 [#1] SMP NOPTI{BODY}")

    assert (event.kind, event.damage) == (KIND_OF_NAME[name], "")
    assert event.title.endswith(" in widget_poke")
    if isinstance(event, CpuTrap):
        assert event.trap in (name, "split lock")
        assert event.count == 1


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("Oops: Machine check, sig: 7 [#1]", "machine-check"),
        ("Oops: Exception in kernel mode, sig: 4 [#1]", "invalid-opcode"),
        ("Oops: Exception in kernel mode, sig: 5 [#1]", "other"),
        ("Oops: System Reset, sig: 6 [#1]", "other"),
        ("Oops: Kernel access of bad area, sig: 11 [#1]", "page-fault"),
        ("Oops - load access fault [#1]", "bus-error"),
        ("Oops - instruction access fault [#1]", "bus-error"),
        ("Oops - load address misaligned [#1]", "alignment"),
        ("Oops - illegal instruction [#1]", "invalid-opcode"),
        ("Oops - environment call from S-mode [#1]", "other"),
        ("Internal error: Oops - bad mode: 0 [#1] SMP ARM", "bad-mode"),
        ("Internal error: Oops - bad syscall: 0 [#1] SMP ARM", "other"),
        ("Internal error: Oops - undefined instruction: 0 [#1] SMP ARM", "invalid-opcode"),
        ("Internal error: Oops - BUG: 0 [#1] SMP ARM", "bug"),
        ("Internal error: Oops: 17 [#1] SMP ARM", "page-fault"),
        ("Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP", "page-fault"),
        ("Internal error: synchronous external abort: 96000210 [#1] SMP", "bus-error"),
        ("Internal error: Attempting to execute userspace memory: 8600000f [#1] SMP", "page-fault"),
        ("Internal error: Oops - FPAC: 0000000072000000 [#1] SMP", "other"),
        ("Oops: 0004 ilc:2 [#1] SMP", "page-fault"),
        ("specification exception: 0006 ilc:2 [#1] SMP", "other"),
        ("illegal operation: 0001 ilc:1 [#1] SMP", "invalid-opcode"),
        ("fixpoint divide exception: 0009 ilc:1 [#1] SMP", "divide-error"),
        ("Oops[#1]:", "page-fault"),
        ("Kernel bug detected[#1]:", "bug"),
        ("Reserved instruction in kernel code[#1]:", "invalid-opcode"),
        ("Unhandled kernel unaligned access[#1]:", "alignment"),
        ("Kernel ale access[#1]:", "alignment"),
        ("Kernel ade access[#1]:", "page-fault"),
        ("do_cpu invoked from kernel context![#1]:", "other"),
        ("do_watch in kernel[#1]:", "other"),
        ("Kernel BUG [#1]", "bug"),
        ("Oops: Kernel stack overflow, sig: 11 [#1]", "stack-overflow"),
        ("Oops: Alignment exception, sig: 7 [#1]", "alignment"),
        ("BUG: Unable to handle unaligned access at 0xc0000000deadbeef", "alignment"),
        ("Unable to handle kernel paging request for unaligned access at address 0xc0deadbf", "alignment"),
        ("Internal error: stack overflow: 0 [#1] SMP ARM", "stack-overflow"),
        ("Internal error: : 1406 [#1] SMP ARM", "bus-error"),
        ("Unhandled fault: external abort on non-linefetch (0x808) at 0xf0a00010", "bus-error"),
        ("Unhandled fault: page domain fault (0x01b) at 0x00000e30", "page-fault"),
        ("Unhandled prefetch abort: unknown 25 (0x409) at 0x00000000", "page-fault"),
        ("Alignment trap: not handling instruction e1b21f9f at [<802b4048>]", "alignment"),
        ("Instruction bus error, epc == 802a3dd4, ra == 802a3dd0\nOops[#1]:", "bus-error"),
        ("addressing exception: 0005 ilc:2 [#1] SMP", "bus-error"),
        ("protection exception: 0004 ilc:2 [#1] SMP", "page-fault"),
        ("Low-address protection: 0004 ilc:2 [#1] SMP", "page-fault"),
        ("PANIC: early exception 0x0e IP 10:ffffffff81000000 error 0 cr2 0x10", "null-deref"),
        ("PANIC: early exception 0x0e IP 10:ffffffff81000000 error 0 cr2 0xffffc900", "page-fault"),
        ("PANIC: early exception 0x0d IP 10:ffffffff81000000 error 0 cr2 0x0", "x86-trap"),
    ],
)
def test_names_of_other_machines(line: str, kind: str) -> None:
    assert only(line + BODY).kind == kind


def test_an_access_fault_says_what_was_accessed() -> None:
    event = first_of("bus-error/riscv-store")

    assert isinstance(event, CpuTrap)
    assert (event.address, event.access) == (0xFF20000000200000, "write")


@pytest.mark.parametrize(
    "line", ["Oops: efitime: can't read time!", "Oops, the widget fell", "debug: 1234 bytes"]
)
def test_words_behind_oops_are_no_oops(line: str) -> None:
    assert events_of(line + "\n") == ()


@pytest.mark.parametrize(
    ("line", "address", "access"),
    [
        ("BUG: Kernel NULL pointer dereference on read at 0x00000430", 0x430, "read"),
        (
            "BUG: Unable to handle kernel data access on write at 0xc0000000deadbeef",
            0xC0000000DEADBEEF,
            "write",
        ),
        ("BUG: Unable to handle kernel unaligned access at 0xc000000000000001", 0xC000000000000001, None),
        ("BUG: Unable to handle unknown paging fault at 0xc000000000000000", 0xC000000000000000, None),
    ],
)
def test_powerpc_says_where_and_how(line: str, address: int, access: str | None) -> None:
    event = only(f"{line}\nOops: Kernel access of bad area, sig: 11 [#1]{BODY}")

    assert (getattr(event, "address", None), getattr(event, "access", None)) == (address, access)
    kinds = {"NULL": "null-deref", "unaligned": "alignment"}
    assert event.kind == next((kind for word, kind in kinds.items() if word in line), "page-fault")


@pytest.mark.parametrize("prefix", ["", "Oops: "])
def test_a_trap_with_an_address_keeps_its_name(prefix: str) -> None:
    event = only(
        f"{prefix}VE fault, probably for non-canonical address 0x8000000000001000: 0000 [#1] SMP{BODY}"
    )
    assert isinstance(event, CpuTrap)
    assert (event.kind, event.trap, event.address) == ("x86-trap", "VE fault", 0x8000000000001000)
    assert event.title == "VE fault in widget_poke"


def test_an_old_oops_of_s390_has_no_error_code_of_x86() -> None:
    event = only(
        "Unable to handle kernel pointer dereference at virtual kernel address 0000000000000000\n"
        "Oops: 0004 [#1] SMP\nCPU: 0 PID: 1 Comm: init Not tainted 3.10.0 #1\n"
        "Krnl PSW : 0704c00180000000 000003ff8008c032 (widget_set+0x12/0x40)\n"
        "Call Trace:\n [<000003ff8008c0f6>] widget_init+0x36/0x1000\n---[ end trace 0000000000000001 ]---\n"
    )
    assert isinstance(event, Oops)
    assert (event.kind, event.access) == ("null-deref", None)


def test_the_address_of_a_bus_error_is_the_one_that_its_line_says() -> None:
    event = only(f"Unhandled fault: external abort on non-linefetch (0x808) at 0xf0a00010{BODY}")
    assert isinstance(event, CpuTrap) and event.address == 0xF0A00010
