# SPDX-License-Identifier: GPL-2.0-or-later
"""
Where the pointer of an indirect call comes from, read backwards from the call.

    mov 0x20(%rax),%rax         the member at 0x20 of some structure
    mov sys_call_table(,%rax,8),%rax   an entry of this table and no other
    mov $table,%rbx; add $0x10,%rbx; mov -0x8(%rbx),%rax   in a loop: an entry of this one, too

Every way that leads to the call is followed; where two of them disagree, nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from keepsane.symbols.binary.elf import EM_X86_64
from keepsane.symbols.calls.pointer import UNKNOWN, Pointer, load_on_arm64, written_on_arm64
from keepsane.symbols.code.insn import Insn
from keepsane.symbols.code.text import Function, Place, Text, body_of, instructions, refers_to

_MAX_STEPS = 1500
_ENDBR_BYTES = 4
_JUMP_BYTES = 5
_MEMORY = re.compile(
    r"(?P<segment>[defgs]s:)?\[(?:(?P<base>[a-z0-9]{2,4})(?![*a-z0-9]))?(?: \+ )?"
    r"(?:(?P<index>[a-z0-9]{2,4})\*[1248])?(?: ?(?P<sign>[+-]) )?(?P<distance>0x[0-9a-f]{1,16}|\d{1,3})?\]"
)
_NUMBER = re.compile(r"-?(?:0x[0-9a-f]{1,16}|\d{1,3})\Z")
_MAX_STEP_BYTES = 4096
_CLOBBERED = frozenset({"rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11"})
_READ_ONLY = ("cmp", "test", "push", "nop", "bt", "prefetch", "out", "comis", "ucomis", "verw", "cl", "inv")
_HIDDEN = {
    "mul": ("rax", "rdx"),
    "div": ("rax", "rdx"),
    "idiv": ("rax", "rdx"),
    "cpuid": ("rax", "rbx", "rcx", "rdx"),
    "rdmsr": ("rax", "rdx"),
    "rdtsc": ("rax", "rdx"),
    "cqo": ("rdx",),
    "cdq": ("rdx",),
    "cdqe": ("rax",),
    "xgetbv": ("rax", "rdx"),
    "cmpxchg": ("rax",),
    "cmpxchg16b": ("rax", "rdx"),
    "pushfq": (),
}
_STRINGS = re.compile(r"(?:rep\w* )?(?:movs|stos|lods|cmps|scas)[bwdq]?$")
_NARROW = {"a": "rax", "b": "rbx", "c": "rcx", "d": "rdx", "si": "rsi", "di": "rdi", "bp": "rbp", "sp": "rsp"}


class _Flow(NamedTuple):
    text: Text
    function: Function
    insns: Sequence[Insn]
    before: dict[int, list[int]]


def wide(register: str) -> str:
    """Name the 64 bit register that a name is a part of: `eax` and `al` are `rax`."""
    if register[:1] == "r" and register[1:2].isdigit():
        return register.rstrip("dwb")
    if register[:1] == "r":
        return register
    core = register[1:] if register[:1] == "e" and len(register) == 3 else register
    return _NARROW.get(core) or _NARROW.get(core.rstrip("xlh"), register) if core else register


def pointer_of(text: Text, function: Function, insn: Insn, register: str | None) -> Pointer:
    """
    Say where the pointer of an indirect call or jump comes from.

    `register` is the one that holds it, None where the instruction itself reads it from memory.
    """
    flow = _flow(text, function)
    index = next((at for at, other in enumerate(flow.insns) if other.address == insn.address), None)
    if index is None:
        return UNKNOWN
    if register is None:
        return _loaded(flow, index, _memory_operand(insn))
    origins = set(_origins(flow, index, register))
    return origins.pop() if len(origins) == 1 else UNKNOWN


def _flow(text: Text, function: Function) -> _Flow:
    # Registers are loaded in the body before it jumps to its `.cold` part.
    body = body_of(text, function)
    insns = instructions(text, body) + (instructions(text, function) if body != function else ())
    places = {insn.address: at for at, insn in enumerate(insns)}
    before: dict[int, list[int]] = {}
    for at, insn in enumerate(insns):
        if at + 1 < len(insns) and insns[at + 1].address == insn.end and _goes_on(insn):
            before.setdefault(at + 1, []).append(at)
        if insn.flow in ("jump", "conditional jump"):
            target = refers_to(text, function.module, insn)
            if target is not None and target.address in places:
                before.setdefault(places[target.address], []).append(at)
    return _Flow(text, body, insns, before)


def _goes_on(insn: Insn) -> bool:
    # A WARN() is an ud2 or brk that the kernel steps over.
    return insn.flow in ("", "call", "indirect call", "conditional jump") or insn.mnemonic in ("ud2", "brk")


def _origins(flow: _Flow, index: int, register: str, *, is_base: bool = False) -> Iterator[Pointer]:
    """
    Everything that the register may hold when the instruction at `index` runs.

    The base of another load matters only where the code names it, so what that was loaded from does not.
    """
    work, seen = [(at, wide(register)) for at in flow.before.get(index, ())], set[tuple[int, str]]()
    if not work:
        yield UNKNOWN
    while work:
        at, name = work.pop()
        if (at, name) in seen:
            continue
        seen.add((at, name))
        if len(seen) > _MAX_STEPS:
            yield UNKNOWN
            return
        stepped = _stepped(flow, at, name) if is_base else None
        if stepped is not None:
            yield Pointer(step_bytes=stepped[1])
        found = stepped[0] if stepped is not None else _written(flow, at, name, is_base=is_base)
        if isinstance(found, Pointer):
            yield found
            continue
        yield from _given(flow, at, found)
        work += [(earlier, found) for earlier in flow.before.get(at, ())]


def _given(flow: _Flow, at: int, register: str) -> Iterator[Pointer]:
    if at == 0 and ".cold" not in flow.function.name:
        yield Pointer(argument=register)
    elif not flow.before.get(at) and not _is_padding(flow.insns[at]):
        yield UNKNOWN  # a jump through a table may lead here


def _is_padding(insn: Insn) -> bool:
    """Whether an instruction only aligns the next: what the kernel patches is no longer than a jump."""
    return insn.mnemonic.endswith("nop") and insn.size_bytes > _JUMP_BYTES


def _stepped(flow: _Flow, at: int, register: str) -> tuple[str, int] | None:
    """The register to which an instruction adds a number to give this one, and how large a step that is."""
    insn, module = flow.insns[at], flow.function.module
    target, _, source = insn.operands.partition(", ")
    if flow.text.machine != EM_X86_64 or target != register:
        return None
    if module is not None and refers_to(flow.text, module, insn) is not None:
        return None  # an address is added, of which the file has no more than zeros
    if insn.mnemonic in ("add", "sub"):
        return _step(register, source)
    memory = _MEMORY.match(source) if insn.mnemonic == "lea" else None
    if memory is None or memory["segment"] or memory["index"] or memory["base"] in (None, "rip"):
        return None
    return _step(wide(memory["base"]), memory["distance"] or "")


def _step(register: str, number: str) -> tuple[str, int] | None:
    size_bytes = abs(int(number, 0)) if _NUMBER.match(number) else 0
    size_bytes = min(size_bytes, (1 << 64) - size_bytes)  # of a negative one, as capstone may print it
    return (register, size_bytes) if 0 < size_bytes <= _MAX_STEP_BYTES else None


def _walk(distance: int, origins: set[Pointer]) -> Pointer:
    """What is read at a distance from a register that a loop increases."""
    steps = {origin.step_bytes for origin in origins if origin.step_bytes is not None}
    starts = origins - {Pointer(step_bytes=step) for step in steps}
    start = starts.pop().value if len(starts) == 1 else None
    if len(steps) > 1 or start is None or start.address is None:
        return Pointer(displacement=distance)
    return Pointer(displacement=distance, start=start, step_bytes=steps.pop())


def _written(flow: _Flow, at: int, register: str, *, is_base: bool) -> Pointer | str:
    """What an instruction writes to a register, or the register that held it before."""
    insn = flow.insns[at]
    if flow.text.machine != EM_X86_64:
        found = written_on_arm64(insn, register)
        return found if is_base or isinstance(found, str) else _with_behind(flow, at, register, found)
    if insn.flow in ("call", "indirect call"):
        return UNKNOWN if register in _CLOBBERED and not _is_hook(flow, insn) else register
    if insn.flow or not _writes(insn, register):
        return register
    target, _, source = insn.operands.partition(", ")
    if insn.mnemonic not in ("mov", "lea") or wide(target) != register or target != wide(target):
        return UNKNOWN
    memory = _MEMORY.search(source)
    if memory is None:
        place = refers_to(flow.text, flow.function.module, insn)
        return Pointer(value=place) if place is not None else _moved(source)
    if insn.mnemonic == "lea":
        place = refers_to(flow.text, flow.function.module, insn)
        return Pointer(value=place) if place is not None and "rip" in source else UNKNOWN
    return _shallow(source) if is_base else _loaded(flow, at, source)


def _with_behind(flow: _Flow, at: int, register: str, found: Pointer) -> Pointer:
    load = load_on_arm64(flow.insns[at], register)
    origins = set(_origins(flow, at, load[0], is_base=True)) if load is not None else set[Pointer]()
    return found._replace(behind=origins.pop().displacement) if len(origins) == 1 else found


def _is_hook(flow: _Flow, insn: Insn) -> bool:
    """Whether a call is the tracer's, at the entry or behind its endbr: that one keeps every register."""
    return insn.address - flow.function.address in (0, _ENDBR_BYTES)


def _moved(source: str) -> Pointer | str:
    return wide(source) if source == wide(source) and source[:1] == "r" else UNKNOWN


def _writes(insn: Insn, register: str) -> bool:
    name = insn.mnemonic.rpartition(" ")[2]
    if name.startswith(_READ_ONLY):
        return False
    if _STRINGS.match(name):
        return register in ("rsi", "rdi", "rcx", "rax")
    if register in _HIDDEN.get(name, ()):
        return True
    first, _, second = insn.operands.partition(", ")
    written = (first, second) if name in ("xchg", "xadd") else (first,)
    return any(wide(other) == register for other in written)


def _memory_operand(insn: Insn) -> str:
    return insn.operands


def _loaded(flow: _Flow, at: int, operand: str) -> Pointer:
    """What is known of memory that an instruction reads a pointer from."""
    memory = _MEMORY.search(operand)
    if memory is None or memory["segment"]:
        return UNKNOWN
    distance = int(memory["distance"] or "0", 0) * (-1 if memory["sign"] == "-" else 1)
    base, indexed = memory["base"], memory["index"] is not None
    insn = flow.insns[at]
    place = refers_to(flow.text, flow.function.module, insn)
    if place is not None and (base in (None, "rip") or _is_address(place, distance)):
        return Pointer(fixed=place, indexed=indexed or base not in (None, "rip"))
    if base is None or wide(base) == "rsp":
        return UNKNOWN
    origins = set(_origins(flow, at, base, is_base=True))
    if not indexed and any(origin.step_bytes for origin in origins):
        return _walk(distance, origins)
    known = origins.pop() if len(origins) == 1 else UNKNOWN
    if known.value is not None and known.value.address is not None:
        moved = known.value._replace(address=known.value.address + distance)
        return Pointer(displacement=distance, fixed=moved, indexed=indexed)
    return UNKNOWN if indexed else Pointer(displacement=distance, behind=known.displacement)


def _shallow(operand: str) -> Pointer:
    memory = _MEMORY.search(operand)
    if memory is None or memory["segment"] or memory["index"] or memory["base"] in (None, "rip", "rsp"):
        return UNKNOWN
    distance = int(memory["distance"] or "0", 0) * (-1 if memory["sign"] == "-" else 1)
    return Pointer(displacement=distance)


def _is_address(place: Place, distance: int) -> bool:
    return place.module is not None or distance < -(1 << 20) or distance > 1 << 40
