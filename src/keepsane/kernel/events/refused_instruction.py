# SPDX-License-Identifier: GPL-2.0-or-later
"""
Instructions that the processor refused for what they are, not for an address.

    Oops: general protection fault, maybe for address 0x1: 0000 [#1] PREEMPT SMP
    Code: ... b9 49 00 00 00 48 89 c2 48 c1 ea 20 <0f> 30 e9 13 fc ff ff         wrmsr
    RAX: 0000000000000001 RBX: ffff888102ca0000 RCX: 0000000000000049
    invalid opcode: 0000 [#1] SMP
    Code: ... b8 0a 00 00 00 <0f> 01 c1 48 85 c0                                  vmcall

Source: arch/x86/include/asm/msr.h, native_wrmsr(); arch/x86/include/asm/msr-index.h; arch/x86/include/asm/
kvm_para.h, kvm_hypercall0(). The instructions are those of Intel's and AMD's manuals.
"""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.oops import Oops
from keepsane.kernel.log.culprit import where
from keepsane.kernel.log.quote import quote_head, quote_line, quote_register, some
from keepsane.model import Register
from keepsane.report import Finding

_WRITE, _READ = b"\x0f\x30", b"\x0f\x32"
_HYPERCALLS = {b"\x0f\x01\xc1": "vmcall", b"\x0f\x01\xd9": "vmmcall"}
_REGISTERS = {
    0x8B: "UCODE_REV",
    0x48: "SPEC_CTRL",
    0x49: "PRED_CMD",
    0x10A: "ARCH_CAPABILITIES",
    0x10B: "FLUSH_CMD",
    0x122: "TSX_CTRL",
    0x123: "MCU_OPT_CTRL",
    0x150: "OC_MAILBOX",
    0x1A0: "MISC_ENABLE",
    0x1A2: "TEMPERATURE_TARGET",
    0xDA0: "XSS",
    0xC0000080: "EFER",
    0xC0000104: "TSC_RATIO",
    0xC001001F: "NB_CFG",
    0xC0011029: "DE_CFG",
}
"""Some registers by the names of arch/x86/include/asm/msr-index.h."""


def _refused(event: Oops) -> bytes:
    """Give the first bytes of the instruction that was refused; none where the log does not show them."""
    code = event.code
    if code is None or code.trap_bytes is None or event.arch not in ("x86_64", "i386"):
        return b""
    return code.data[code.trap_bytes : code.trap_bytes + 3]


def _register(event: Oops, *names: str) -> Register | None:
    return next((register for register in event.registers if register.name in names), None)


@rule("model-register-refused", on=Oops)
def model_register_refused(event: Oops) -> Iterator[Finding]:
    """
    The processor refused to read or write one of its model-specific registers.

    What it means: no pointer is bad. `wrmsr` and `rdmsr` raise a general protection fault where the
    processor has no such register, or where the value sets bits that it reserves.

    How we know: the instruction at the fault is `0f 30` (wrmsr) or `0f 32` (rdmsr). RCX holds the number of
    the register, RDX and RAX the value. These instructions touch no memory.

    What to do: in a virtual machine the hypervisor announces a feature that it does not provide: compare
    its processor model, update it, or switch the feature off for the guest. On hardware look at the microcode
    and the firmware, and at what writes the register (a tool for voltages, a driver).

    When it is wrong: it is not, where the marked instruction is what trapped. Why the value was refused is
    not in the report.
    """
    refused = _refused(event)[:2]
    if event.kind != "general-protection" or refused not in (_WRITE, _READ):
        return
    number = _register(event, "RCX", "ECX")
    if number is None:
        raise CannotTell("RCX, which says which model-specific register was refused, is not in the report")
    msr = number.value & 0xFFFFFFFF
    name = f" ({_REGISTERS[msr]})" if msr in _REGISTERS else ""
    low, high = _register(event, "RAX", "EAX"), _register(event, "RDX", "EDX")
    value = (low.value & 0xFFFFFFFF) | (high.value & 0xFFFFFFFF) << 32 if low and high else None
    write = refused == _WRITE
    what = "read" if not write else "write" if value is None else f"write {value:#x} to"
    yield Finding(
        severity="error",
        confidence="high",
        title=f"the processor refused to {what} model-specific register {msr:#x}{name}{where(event)}",
        evidence=some(
            quote_head(event, "the fault"),
            quote_line(event, event.code.line, "wrmsr" if write else "rdmsr") if event.code else None,
            quote_register(event, number, "the number of the register"),
        ),
        explanation="It has no such register, or reserves bits of the value. A hypervisor that announces "
        "more than it provides does the same to its guest.",
        references=("arch/x86/include/asm/msr-index.h",),
    )


@rule("hypercall-refused", on=Oops)
def hypercall_refused(event: Oops) -> Iterator[Finding]:
    """
    The kernel called a hypervisor, and there was none that takes this call.

    What it means: `vmcall` (Intel) and `vmmcall` (AMD) are invalid outside of a virtual machine, and a
    hypervisor may refuse them, too. Code ran that is only for guests, or for those of the other maker.

    How we know: the fault is an invalid opcode, and the bytes at it are `0f 01 c1` (vmcall) or `0f 01 d9`
    (vmmcall).

    What to do: find out why the code believed to be a guest of this hypervisor: a module or an option that
    chooses its calls by force, or a hypervisor that announces KVM's interface and does not provide it.

    When it is wrong: KVM patches the other maker's instruction in its guests; where that failed, the guest is
    right and the hypervisor has to be looked at.
    """
    name = _HYPERCALLS.get(_refused(event))
    if event.kind != "invalid-opcode" or name is None:
        return
    yield Finding(
        severity="error",
        confidence="high",
        title=f"{name} was refused{where(event)}: no hypervisor takes this call",
        evidence=some(
            quote_head(event, "the fault"),
            quote_line(event, event.code.line, name) if event.code else None,
        ),
        explanation="The instruction is invalid outside of a virtual machine. What chose this call took the "
        "machine for a guest that it is not.",
        references=("arch/x86/include/asm/kvm_para.h, kvm_hypercall0()",),
    )
