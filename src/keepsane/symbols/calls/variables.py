# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which variable a register holds at an address, by the DWARF's location lists.

The registers are filled with marks, and drgn is asked for the values of the variables: one whose value is a
mark lies in that register there. No value of the report is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from keepsane.symbols.binary.dwarf import import_drgn
from keepsane.symbols.binary.elf import EM_AARCH64, EM_X86_64
from keepsane.symbols.binary.types import plain

_X86 = (
    *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi"),
    *("orig_rax", "rip", "cs", "eflags", "rsp", "ss"),
)
_ARM64 = (*(f"x{number}" for number in range(31)), "sp", "pc", "pstate", "orig_x0", "more")
_LAYOUTS = {EM_X86_64: (_X86, "rip"), EM_AARCH64: (_ARM64, "pc")}
"""struct pt_regs: arch/x86/include/asm/ptrace.h, arch/arm64/include/asm/ptrace.h; then the pc."""
_MARK, _MARK_STEP_BYTES = 0x7A5A_0000_0000_0000, 1 << 32
_REACH_BYTES = 1 << 20
_MAX_VARIABLES = 400


class Held(NamedTuple):
    """
    A pointer to a structure that is in scope.

    `register` is the one that its value is counted from, and `distance_bytes` how far from it; where it lies
    in memory instead, `in_memory` is True and both say where. `register` is None where nothing says it.
    """

    name: str
    structure: Any
    register: str | None
    distance_bytes: int
    in_memory: bool


def pointers_at(program: Any, machine: int, address: int) -> Iterator[Held]:
    """List the pointers to structures that are in scope at an address, those of inlined functions first."""
    drgn = import_drgn()
    count = 0
    for frame in program.stack_trace(_marked(drgn, program, machine, address)):
        if frame.pc != address:
            return
        for name in frame.locals():
            count += 1
            structure = _structure(drgn, frame[name].type_)
            if structure is not None and count <= _MAX_VARIABLES:
                yield _held(drgn, machine, name, structure, frame[name])


def _marked(drgn: Any, program: Any, machine: int, address: int) -> Any:
    names, pc = _LAYOUTS[machine]
    word = program.int_type("unsigned long", 8, False, "little")
    members = [drgn.TypeMember(word, name, at * 64) for at, name in enumerate(names)]
    kind = program.struct_type("pt_regs", 8 * len(names), members)
    values = (address if name == pc else _MARK + at * _MARK_STEP_BYTES for at, name in enumerate(names))
    return drgn.Object.from_bytes_(program, kind, b"".join(value.to_bytes(8, "little") for value in values))


def _structure(drgn: Any, kind: Any) -> Any:
    """Give the structure that a pointer points to, with its typedef's name; None where it points to none."""
    kind = plain(drgn, kind)
    if kind.kind != drgn.TypeKind.POINTER:
        return None
    pointed = kind.type
    inner = plain(drgn, pointed)
    return pointed if inner.kind in (drgn.TypeKind.STRUCT, drgn.TypeKind.UNION) else None


def _held(drgn: Any, machine: int, name: str, structure: Any, variable: Any) -> Held:
    try:
        found = None if variable.absent_ else _from_mark(machine, variable.value_())
        in_memory = False
    except drgn.FaultError as fault:  # it lies in memory, and where is said by what could not be read
        found, in_memory = _from_mark(machine, fault.address), True
    except (LookupError, ValueError, TypeError):
        found, in_memory = None, False
    register, distance_bytes = found or (None, 0)
    return Held(name, structure, register, distance_bytes, in_memory)


def _from_mark(machine: int, value: int) -> tuple[str, int] | None:
    names, _ = _LAYOUTS[machine]
    at, rest_bytes = divmod(value - _MARK + _REACH_BYTES, _MARK_STEP_BYTES)
    known = 0 <= at < len(names) and rest_bytes < 2 * _REACH_BYTES
    return (names[at], rest_bytes - _REACH_BYTES) if known else None
