# SPDX-License-Identifier: GPL-2.0-or-later
"""`Code:` is decoded for the machine that the report's own lines name, whatever its words look like."""

from __future__ import annotations

import pytest

from keepsane.api import explain

pytest.importorskip("capstone")

ARM = """\
Unable to handle kernel NULL pointer dereference at virtual address 00000004
Internal error: Oops: 17 [#1] SMP ARM
CPU: 0 PID: 77 Comm: worker Not tainted 4.14.0 #1
PC is at widget_get+0x10/0x40
LR is at widget_open+0x20/0x60
pc : [<c0123454>]    lr : [<c0123400>]    psr: 60000013
r3 : 00000000  r2 : c0a0b0c0  r1 : 00000001  r0 : c7a3a000
"""
I386 = """\
BUG: unable to handle kernel NULL pointer dereference at 00000004
Oops: 0002 [#1] SMP
CPU: 0 PID: 77 Comm: worker Not tainted 4.4.0 #1
EIP: 0060:[<c0123454>] EFLAGS: 00010246 CPU: 0
EIP is at widget_unlink+0x14/0x40
EAX: f6a3c000 EBX: f6a3c010 ECX: 00000000 EDX: f6a3c020
"""
MIPS = """\
CPU 0 Unable to handle kernel paging request at virtual address 00000018, epc == 80123454, ra == 80123400
Oops[#1]:
CPU: 0 PID: 77 Comm: worker Not tainted 5.4.0 #1
$ 0   : 00000000 00000001 8f0c0000 00000000
epc   : 80123454 widget_add+0x6c/0x88
ra    : 80123400 widget_new+0x20/0x60
Status: 1000ff03 KERNEL EXL IE
"""
PPC = """\
BUG: Unable to handle kernel data access at 0x00000430
Oops: Kernel access of bad area, sig: 11 [#1]
NIP:  c0123454 LR: c0123400 CTR: c0012340
GPR00: c0123400 c7a3bd10 c7a3a000 00000000 00000000 00000000 00000000 00000000
"""
RISCV = """\
Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010
Oops [#1]
CPU: 0 PID: 77 Comm: worker Not tainted 6.5.0 #1
epc : widget_get+0x10/0x40
 ra : widget_open+0x20/0x60
epc : ffffffff80123454 ra : ffffffff80123400 sp : ff20000000013d10
 gp : ffffffff81d0c0a0 tp : ff6000000203a000 t0 : 0000000000000000
status: 0000000200000120 badaddr: 0000000000000010 cause: 000000000000000d
"""
ARM64 = """\
Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010
Internal error: Oops: 96000044 [#1] SMP
PC is at frob_store+0x1c/0x50
pc : [<ffff000008123454>] lr : [<ffff000008123400>] pstate: 60000145
x29: ffff00000a3abcb0 x28: ffff000003b0a1c0
"""


@pytest.mark.parametrize(
    ("report", "code", "arch", "instructions"),
    [
        (ARM, "e3a02001 e1a03007 (e5963000)", "arm", ["mov r2, #1", "mov r3, r7", "ldr r3, [r6]"]),
        (ARM, "4b1a 2b00 d1fb (681b)", "arm", ["ldr r3, [pc, #0x68]", "cmp r3, #0", None, "ldr r3, [r3]"]),
        (
            I386,
            "40 4a 89 c5 <89> 51 04",
            "i386",
            ["incl %eax", "decl %edx", "movl %eax, %ebp", "movl %edx, 4(%ecx)"],
        ),
        (MIPS, "24420001 <ac820018> 03e00008", "mips", ["addiu $v0, $v0, 1", "sw $v0, 0x18($a0)", "jr $ra"]),
        (PPC, "7c7f1b78 <81230430>", "ppc", ["mr r31, r3", "lwz r9, 0x430(r3)"]),
        (RISCV, "842a b783 0107 (6b9c)", "riscv", ["c.mv s0, a0", "ld a5, 0x10(a5)", "c.ld a5, 0x10(a5)"]),
        (ARM64, "aa0003f3 (b9001001)", "arm64", ["mov x19, x0", "str w1, [x0, #0x10]"]),
    ],
)
def test_the_lines_of_a_report_say_which_machine_it_is(
    report: str, code: str, arch: str, instructions: list[str | None]
) -> None:
    (event,) = explain(f"{report}Code: {code}\n---[ end trace 0000000000000000 ]---\n", cache=False).events
    assert event.arch == arch
    assert event.code is not None
    said = [instruction.text for instruction in event.code.instructions]
    assert len(said) == len(instructions)
    assert [text for text, wanted in zip(said, instructions, strict=True) if wanted] == [
        text for text in instructions if text
    ]
    assert event.code.instructions[-1].trapping or event.code.instructions[1].trapping


@pytest.mark.parametrize("code", ["e3a02001 (e5963000)", "40 4a <89> 51 04", "842a (6b9c)"])
def test_words_that_no_register_line_explains_are_not_decoded(code: str) -> None:
    log = f"BUG: kernel NULL pointer dereference, address: 0000000000000004\nCode: {code}\n"
    (event,) = explain(log, cache=False).events
    assert event.arch is None
    assert event.code is not None and event.code.instructions == ()


def test_each_of_two_reports_is_decoded_for_its_own_machine() -> None:
    end = "---[ end trace 0000000000000000 ]---\n"
    log = f"{ARM}Code: e3a02001 (e5963000)\n{end}{I386}Code: 40 <89> 51 04\n{end}"
    first, second = explain(log, cache=False).events
    assert (first.arch, second.arch) == ("arm", "i386")
    assert first.code is not None and first.code.instructions[-1].text == "ldr r3, [r6]"
    assert second.code is not None and second.code.instructions[0].text == "incl %eax"


@pytest.mark.parametrize(("code", "leads"), [("d1fb (681b)", "bne ip-0x8"), ("2b00 (d1fb)", "bne ip-0x6")])
def test_a_jump_of_thumb_leads_somewhere_beside_the_ip(code: str, leads: str) -> None:
    lines = [line for line in ARM.splitlines() if not line.startswith("pc : ")]
    (event,) = explain("\n".join([*lines, f"Code: {code}"]), cache=False).events
    assert event.code is not None
    assert leads in [instruction.text for instruction in event.code.instructions]
