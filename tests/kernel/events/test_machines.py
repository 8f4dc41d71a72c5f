# SPDX-License-Identifier: GPL-2.0-or-later
"""One NULL pointer on each architecture: the same is said of each, from registers and code of its own."""

from __future__ import annotations

import pytest

from keepsane.api import explain
from keepsane.kernel.events.oops import Oops
from keepsane.kernel.events.trap import CpuTrap
from keepsane.report import Report
from tests.golden import CASES, read_case

MACHINES = {
    "arm-6.1": ("arm", "read", "widget_open", "r3", "chrdev_open"),
    "arm64-write": ("arm64", "write", "widget_set", "x0", "widget_init"),
    "i386-6.1": ("i386", "read", "widget_open", "EBX", None),
    "mips-5.10": ("mips", "write", "widget_add", "$4", "widget_probe"),
    "powerpc-instruction-dump": ("ppc64", "read", "widget_read", "r3", "widget_init"),
    "powerpc-32-bit": ("ppc", "write", "widget_set", "r3", "widget_probe"),
    "riscv-6.1": ("riscv", "read", "widget_read", "s1", "widget_init"),
    "s390-first-page": ("s390", "write", "widget_set", "r1", None),
    "loongarch-6.6": ("loongarch", "read", "widget_read", "a0", "widget_init"),
}


def report_of(case: str) -> Report:
    return explain(read_case(CASES / f"null-deref/{case}.case").log, cache=False)


@pytest.mark.parametrize("case", MACHINES)
def test_the_facts_are_read(case: str) -> None:
    arch, access, function, base, link = MACHINES[case]
    report = report_of(case)
    (event,) = report.events
    assert isinstance(event, Oops)
    assert (event.arch, event.kind, event.access, event.count) == (arch, "null-deref", access, 1)
    assert event.address == (0 if arch == "s390" else 0x18)
    assert event.ip is not None and event.ip.function == function
    assert (event.link and event.link.function) == link
    assert next(one.value for one in event.registers if one.name == base) == 0
    assert event.damage == "" and report.unread_lines == 0
    assert event.code is not None and event.code.trap_bytes is not None


@pytest.mark.parametrize("case", [case for case in MACHINES if case != "loongarch-6.6"])
def test_the_instruction_proves_the_member(case: str) -> None:
    pytest.importorskip("capstone")
    _, access, function, base, _ = MACHINES[case]
    finding = next(one for one in report_of(case).findings if one.rule == "null-member-access")
    done = {"read": "read", "write": "written"}[access]
    assert finding.title == f"a member at offset 0x18 of a NULL structure was {done} in {function}"
    assert finding.confidence == "high"
    assert f"{base} (0x0) + 0x18" in finding.explanation


def test_what_cannot_be_decoded_is_no_proof_and_is_said() -> None:
    report = report_of("loongarch-6.6")
    finding = next(one for one in report.findings if one.rule == "null-member-access")
    assert finding.confidence == "medium"
    assert any("loongarch" in failure.why for failure in report.failures)


def test_without_an_instruction_s390_tells_no_offset() -> None:
    log = read_case(CASES / "null-deref/s390-first-page.case").log
    bare = "\n".join(line for line in log.splitlines() if "stg\t" not in line)
    finding = next(one for one in explain(bare, cache=False).findings if one.rule == "null-member-access")
    assert finding.confidence == "medium" and "on the first page" in finding.title


@pytest.mark.parametrize(
    ("head", "link", "trace"),
    [
        (
            "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000\n"
            "Oops [#1]\nepc : 0x0\n ra : widget_call+0x1e/0x40",
            "status: 0000000200000120 badaddr: 0000000000000000 cause: 000000000000000c",
            "[<ffffffff8000201a>] do_one_initcall+0x3e/0x178",
        ),
        (
            "CPU 0 Unable to handle kernel paging request at virtual address 00000000, epc == 00000000\n"
            "Oops[#1]:\nepc   : 00000000 0x0\nra    : 80212300 widget_call+0x40/0x90",
            "Cause : 00800008 (ExcCode 02)\nBadVA : 00000000",
            "Call Trace:\n[<80100600>] do_one_initcall+0x60/0x1f0",
        ),
        (
            "BUG: Unable to handle kernel instruction fetch (NULL function pointer?)\n"
            "Faulting instruction address: 0x00000000\nOops: Kernel access of bad area, sig: 11 [#1]\n"
            "NIP:  0000000000000000 LR: c000000000011e90 CTR: 0000000000000000\n"
            "NIP [0000000000000000] 0x0\nLR [c000000000011e90] widget_call+0x60/0x2d0",
            "",
            "Call Trace:\n[c00000000b0f78b0] [c000000000011e90] do_one_initcall+0x60/0x2d0",
        ),
    ],
)
def test_the_link_register_names_who_called_null(head: str, link: str, trace: str) -> None:
    log = f"{head}\n{link}\n{trace}\n---[ end trace 0000000000000000 ]---\n"
    finding = next(
        one for one in explain(log, cache=False).findings if one.rule == "call-through-null-pointer"
    )
    assert finding.title == "a NULL function pointer was called by widget_call"


def test_thumb_is_decoded_as_thumb() -> None:
    pytest.importorskip("capstone")
    report = report_of("arm-thumb")
    (event,) = report.events
    assert event.code is not None and event.code.word_bytes == 2
    assert [one.text for one in event.code.instructions if one.trapping] == ["ldr r3, [r0, #0x18]"]
    finding = next(one for one in report.findings if one.rule == "null-member-access")
    assert (finding.confidence, "offset 0x18" in finding.title) == ("high", True)


def test_on_s390_the_instruction_before_the_psw_trapped_where_none_was_undone() -> None:
    report = explain(read_case(CASES / "bus-error/s390-addressing.case").log, cache=False)
    (event,) = report.events
    assert event.code is not None
    assert [one.text for one in event.code.instructions if one.trapping] == ["lg %r2,24(%r1)"]


@pytest.mark.parametrize(
    ("case", "address", "access"),
    [
        ("bus-error/arm-external-abort", 0xF0A00010, "write"),
        ("bus-error/mips-data-bus", None, None),
        ("alignment/arm-in-the-kernel", 0xC1D6A181, "read"),
    ],
)
def test_a_trap_has_its_address_and_access(case: str, address: int | None, access: str | None) -> None:
    report = explain(read_case(CASES / f"{case}.case").log, cache=False)
    (event,) = report.events
    assert isinstance(event, CpuTrap)
    assert (event.address, event.access) == (address, access)


@pytest.mark.parametrize(
    ("line", "arch"),
    [
        ("Internal error: Oops: 80000207 [#1] PREEMPT SMP ARM", "arm"),
        ("Internal error: Oops: 80000005 [#1] SMP THUMB2", "arm"),
        ("Internal error: Oops: 80000005 [#1]", None),  # old, and no line but this one
        ("Internal error: Oops: 96000004 [#1] PREEMPT SMP", "arm64"),
        ("Internal error: Oops: 0000000086000004 [#1] SMP", "arm64"),
        ("Internal error: Oops: 817 [#1]", "arm"),
    ],
)
def test_a_prefetch_abort_of_arm_is_none_of_arm64(line: str, arch: str | None) -> None:
    (event,) = explain(f"{line}\nCPU: 0 PID: 77 Comm: insmod Not tainted 5.14.0 #1\n", cache=False).events
    assert event.arch == arch
