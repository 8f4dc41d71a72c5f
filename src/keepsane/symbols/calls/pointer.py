# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of a pointer that was called, and how arm64 code loads one."""

from __future__ import annotations

import re
from typing import NamedTuple

from keepsane.symbols.code.insn import Insn
from keepsane.symbols.code.text import Place

_LOAD = re.compile(r"\[(?P<base>x\d{1,2})(?:, #(?P<distance>0x[0-9a-f]{1,8}|\d{1,5}))?\]$")
_READ_ONLY = (
    "st",
    "cmp",
    "cmn",
    "tst",
    "ccmp",
    "nop",
    "dmb",
    "dsb",
    "isb",
    "msr",
    "prfm",
    "hint",
    "bti",
    "pac",
)
_CLOBBERED = frozenset({*(f"x{number}" for number in range(19)), "x30"})


class Pointer(NamedTuple):
    """
    Where a called pointer was loaded from.

    `displacement` is the offset of the member that was loaded, `fixed` the place of the memory itself where
    the code names it, and `value` the place that the code names as the function; each may be None.
    `behind` is the offset at which the pointer to that structure was loaded in its turn. `indexed` says that
    an index was added, `argument` is the register in which the caller was given it. `start` and `step_bytes`
    are those of a loop over an array: the structure lies a multiple of that from the place.
    """

    displacement: int | None = None
    behind: int | None = None
    fixed: Place | None = None
    value: Place | None = None
    indexed: bool = False
    argument: str | None = None
    start: Place | None = None
    step_bytes: int | None = None


UNKNOWN = Pointer()
"""Nothing can be said of where the pointer came from."""


def written_on_arm64(insn: Insn, register: str) -> Pointer | str:
    """Say what an instruction writes to a register, or name the register that held it before."""
    if insn.flow in ("call", "indirect call"):
        return UNKNOWN if register in _CLOBBERED else register
    first, _, rest = insn.operands.partition(", ")
    if insn.flow or insn.mnemonic.startswith(_READ_ONLY) or not _is_written(insn, register, first, rest):
        return register
    if insn.mnemonic == "mov" and first == register and re.fullmatch(r"x\d{1,2}", rest):
        return rest
    load = load_on_arm64(insn, register)
    return UNKNOWN if load is None else Pointer(displacement=load[1])


def load_on_arm64(insn: Insn, register: str) -> tuple[str, int] | None:
    """
    Say from which register, and at which offset of it, an instruction loads another; None where it does not.

        ldr x1, [x0, #0x20]
        ldp x20, x1, [x0, #0x18]
    """
    first, _, rest = insn.operands.partition(", ")
    second, _, behind = rest.partition(", ")
    pair = insn.mnemonic == "ldp"
    is_loaded = register in (first, second) and first != second if pair else register == first
    load = _LOAD.match(behind if pair else rest) if insn.mnemonic in ("ldr", "ldp") and is_loaded else None
    if load is None:
        return None
    return load["base"], int(load["distance"] or "0", 0) + (8 if pair and register == second else 0)


def _is_written(insn: Insn, register: str, first: str, rest: str) -> bool:
    second = rest.partition(", ")[0] if insn.mnemonic in ("ldp", "ldpsw", "ldxp", "ldaxp") else first
    base = re.search(r"\[(x\d{1,2})(?:\], #|.{0,80}\]!)", insn.operands)  # moved by the access itself
    names = {first, second, base[1] if base else first}
    return bool(names & {register, register.replace("x", "w", 1)})
