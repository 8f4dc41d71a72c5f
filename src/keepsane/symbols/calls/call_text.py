# SPDX-License-Identifier: GPL-2.0-or-later
"""
A call as assembly has it, with the names that its operand stands for.

    call vfs_write
    call __x86_indirect_thunk_rax
    callq *0x20(%rax)
    callq *pv_ops+0xf8(%rip)
    blr x1
"""

from __future__ import annotations

import re

from keepsane.symbols.binary.elf import EM_X86_64
from keepsane.symbols.calls.calls import Branch
from keepsane.symbols.calls.objects import Data, variable_at
from keepsane.symbols.code.insn import decode, open_at_and_t
from keepsane.symbols.code.patch_tables import bytes_at
from keepsane.symbols.code.text import Place, Text, function_at, refers_to, symbols_of

_FIXED = re.compile(r"-?(?:0x[0-9a-f]{1,16}|\d{1,3})?(?=\()")
"""The number before the registers of an operand: `-0x7dc00000` in `*-0x7dc00000(, %rax, 8)`."""


def call_text(text: Text, data: Data, module: str | None, branch: Branch) -> str:
    """
    Write a call as it stands in its file, in the syntax of objdump and of the kernel's sources.

    A target or a place of memory that has a name is written as that.
    """
    insn = branch.insn
    place = refers_to(text, module, insn)
    if insn.is_branch:
        return f"{insn.mnemonic} {_target(text, place)}" if place is not None else insn.text
    if text.machine != EM_X86_64:
        return insn.text
    image = text.images[module]
    code = bytes_at(image.elf, symbols_of(image), insn.address, insn.size_bytes)
    written = next((decoded.text for decoded in decode(open_at_and_t(), code, insn.address)), insn.text)
    name = _memory(data, place)
    return _FIXED.sub(lambda _: name, written, count=1) if name else written


def _target(text: Text, place: Place) -> str:
    found = function_at(text, place)
    if found is None or place.address is None:
        return place.name or f"{place.address or 0:#x}"
    return found.name + _distance(place.address - found.address)


def _memory(data: Data, place: Place | None) -> str:
    if place is None or place.address is None:
        return place.name if place is not None else ""
    found = variable_at(data, place)
    return found.name + _distance(place.address - found.address) if found is not None else ""


def _distance(offset_bytes: int) -> str:
    return f"+{offset_bytes:#x}" if offset_bytes else ""
