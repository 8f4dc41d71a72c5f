# SPDX-License-Identifier: GPL-2.0-or-later
"""
The call before a return address, in every form that its bytes may have at run time.

    call   vfs_write                    direct
    call   __x86_indirect_thunk_rax     through a pointer; run as `call *%rax` it returns 3 bytes earlier
    call   *pv_ops+0x20(%rip)           paravirtual; runs as a direct call of 5 bytes
    call   __SCT__might_resched         a static call: what the file says is only the default
    rep movsb; nop; nop; nop            may run as `call rep_movs_alternative`

Source: arch/x86/kernel/alternative.c, patch_retpoline() and apply_alternatives();
arch/x86/kernel/static_call.c (as of 6.12).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, cast

from keepsane.model import HopKind
from keepsane.symbols.binary.elf import EM_X86_64
from keepsane.symbols.code.alternatives import replacements
from keepsane.symbols.code.insn import Insn
from keepsane.symbols.code.text import Function, Place, Text, decode_at, function_at, instructions, refers_to

THUNK = "__x86_indirect_thunk_"
"""A call to one of these, one for each register, is a call through that register."""

_LEGACY_REGISTERS = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp")
RETURN_THUNKS = frozenset(
    {
        "__x86_return_thunk",
        "zen_return_thunk",
        "retbleed_return_thunk",
        "srso_return_thunk",
        "srso_alias_return_thunk",
        "srso_untrain_return_thunk",
        "call_depth_return_thunk",
        "its_return_thunk",
    }
)
"""A jump to one of these is a return."""

_MCOUNT = frozenset({"__fentry__", "mcount", "_mcount"})
_LFENCE_BYTES = 3
_DIRECT_CALL_BYTES = 5


class Branch(NamedTuple):
    """
    Where one instruction leads.

    `target` is the place of a direct call or jump; `register` holds the pointer of an indirect one, None
    where it reads memory. A thunk is understood: a call to one is an indirect call.
    """

    kind: Literal[
        "call", "jump", "conditional jump", "indirect call", "indirect jump", "static call", "return"
    ]
    insn: Insn
    target: Place | None = None
    register: str | None = None

    @property
    def hop(self) -> HopKind:
        """Its kind as a step of an edge, which neither a return nor a call to anywhere is."""
        return cast(HopKind, self.kind)


class CallSite(NamedTuple):
    """
    The call before a return address: one or, where an alternative may replace it, several.

    `form` says which run-time form it is, "" for the one in the file.
    """

    branches: tuple[Branch, ...]
    form: str


def name_of(text: Text, place: Place) -> str:
    """Name the function at a place, "" where there is none."""
    if place.name:
        return place.name
    found = function_at(text, place)
    return found.name if found is not None else ""


def branch_of(text: Text, module: str | None, insn: Insn) -> Branch | None:
    """Say where an instruction leads, None for one that goes on to the next or stops."""
    if insn.flow == "return":
        return Branch("return", insn)
    if insn.flow in ("indirect call", "indirect jump"):
        register = insn.operands if "[" not in insn.operands else None
        return Branch("indirect call" if "call" in insn.flow else "indirect jump", insn, register=register)
    if not insn.is_branch:
        return None
    target = refers_to(text, module, insn)
    if target is None:
        return None
    return _direct(text, insn, target)


def _direct(text: Text, insn: Insn, target: Place) -> Branch:
    name = _special_name(text, target)
    if name in RETURN_THUNKS and insn.flow != "call":
        return Branch("return", insn)
    if name.startswith(THUNK):
        kind: Literal["indirect call", "indirect jump"] = (
            "indirect call" if insn.flow == "call" else "indirect jump"
        )
        return Branch(kind, insn, register=name.removeprefix(THUNK))
    if insn.flow == "call":
        return Branch("static call" if name.startswith("__SCT__") else "call", insn, target)
    return Branch("jump" if insn.flow == "jump" else "conditional jump", insn, target)


def _special_name(text: Text, target: Place) -> str:
    name = name_of(text, target)
    # The first thunk shares its address with the name of the whole array.
    return f"{THUNK}rax" if name == f"{THUNK}array" else name


def call_site(text: Text, function: Function, return_address: int) -> CallSite | None:
    """
    Find the call that a return address follows, None where no form of the bytes has one there.

    Raises MissingExtraError without capstone.
    """
    insns = instructions(text, function)
    before = next((insn for insn in insns if insn.address < return_address <= insn.end), None)
    if before is None:
        return None
    branch = branch_of(text, function.module, before)
    if branch is not None and "call" in branch.kind:
        form = _form(branch, return_address)
        if form is not None:
            return CallSite((branch,), form)
    replaced = tuple(replacing_calls(text, function, return_address))
    return CallSite(replaced, "an alternative") if replaced else None


def _form(branch: Branch, return_address: int) -> str | None:
    """The run-time form in which this call returns to the address, None for none."""
    insn, offset_bytes = branch.insn, return_address - branch.insn.address
    if return_address == insn.end:
        return ""
    if branch.register is not None and insn.flow == "call":
        short_bytes = 2 if branch.register in _LEGACY_REGISTERS else 3
        if offset_bytes == short_bytes:
            return f"run as call *%{branch.register}"
        if offset_bytes == short_bytes + _LFENCE_BYTES:
            return f"run as lfence; call *%{branch.register}"
    if branch.kind == "indirect call" and branch.register is None and offset_bytes == _DIRECT_CALL_BYTES:
        return "run as a direct call"
    return None


def replacing_calls(text: Text, function: Function, return_address: int) -> Iterator[Branch]:
    """List the calls that alternatives may put in front of a return address."""
    if text.machine != EM_X86_64:
        return
    for site, origin, size_bytes in replacements(text, function.module, return_address):
        for insn in decode_at(text, function.module, origin, size_bytes):
            if insn.end - origin + site == return_address:
                branch = branch_of(text, function.module, insn)
                if branch is not None and "call" in branch.kind:
                    yield branch


def is_mcount(text: Text, branch: Branch) -> bool:
    """Say whether a call is the one at a function's entry that a tracer hooks into."""
    return branch.target is not None and name_of(text, branch.target) in _MCOUNT
