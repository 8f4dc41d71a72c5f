# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which function leads to which by calls and jumps: the graph that chains, ways and "who jumps here" ask.

Bytes suggest where a function may lead, which is more than there is and never less. Instructions say where it
does lead, but a whole kernel is too much to disassemble: they are read for what a question comes to. A
function and its `.cold` part are one.
"""

from __future__ import annotations

import re
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from keepsane.model import HopKind
from keepsane.symbols.binary.elf import EM_AARCH64
from keepsane.symbols.calls.calls import RETURN_THUNKS, THUNK, Branch, branch_of
from keepsane.symbols.code.insn import Insn
from keepsane.symbols.code.patch_tables import bytes_at
from keepsane.symbols.code.text import (
    Function,
    Place,
    Text,
    function_at,
    functions_named,
    instructions,
    is_same,
    start_of,
    symbols_of,
)

_MAX_FUNCTION_BYTES = 1 << 17
_NO_BRANCH = frozenset({"", "return", "stop"})
_NO_JUMP = _NO_BRANCH | {"call", "indirect call"}
NEAR_BYTES = 130
"""A jump of one byte leaves a function only so near its ends."""

_FIXED_POINTER = re.compile(rb"\xff(?:\x15|\x14\x25)")
_POINTER = re.compile(rb"\xff(?:[\x10-\x13\x15-\x17\x50-\x57\x90-\x97\xd0-\xd7\xe0-\xe7]|\x14[\x00-\xff])")


class Form(NamedTuple):
    """The bytes of a branch up to its distance, and how that is written."""

    opcode: re.Pattern[bytes]
    distance: struct.Struct


# No text is longer than 256 MiB. A lookahead, since a branch may stand inside what looks like another.
_FAR = struct.Struct("<i")
_BRANCH = Form(re.compile(rb"(?:[\xe8\xe9]|\x0f[\x80-\x8f])(?=...[\x00-\x0f\xf0-\xff])", re.DOTALL), _FAR)
_ANY_JUMP = Form(re.compile(rb"(?:\xe9|\x0f[\x80-\x8f])(?=...[\x00-\x0f\xf0-\xff])", re.DOTALL), _FAR)
# For much code a pattern for each: one that begins with a fixed byte is looked for four times as fast.
JUMP = Form(re.compile(rb"\xe9(?=...[\x00-\x0f\xf0-\xff])", re.DOTALL), _FAR)
CONDITIONAL_JUMP = Form(re.compile(rb"\x0f[\x80-\x8f](?=...[\x00-\x0f\xf0-\xff])", re.DOTALL), _FAR)
FAR_CONDITIONAL_JUMP = Form(
    re.compile(rb"\x0f[\x80-\x8f](?!..(?:\x00\x00|\xff\xff))(?=...[\x00-\x0f\xf0-\xff])", re.DOTALL), _FAR
)
"""Over 64 KiB and more: shorter ones are nearly always inside of their function, and the most of all."""
SHORT_JUMP = Form(re.compile(rb"[\xeb\x70-\x7f](?=.)", re.DOTALL), struct.Struct("<b"))


class Hop(NamedTuple):
    """One call or jump: `branch` stands in `inside`, a part of `caller`, and leads to `callee`."""

    caller: Function
    inside: Function
    branch: Branch
    callee: Function

    @property
    def kind(self) -> HopKind:
        """Say how it leads there."""
        return self.branch.hop

    @property
    def place(self) -> Place:
        """Give the place of the instruction."""
        return Place(self.inside.module, self.branch.insn.address)

    @property
    def is_to_trampoline(self) -> bool:
        """Say whether it leads to the trampoline of a static call."""
        return self.callee.name.startswith("__SCT__")


class Open(NamedTuple):
    """A call or jump through a pointer, which may lead anywhere."""

    inside: Function
    branch: Branch


class Exits(NamedTuple):
    """How a function is left, by its instructions."""

    hops: tuple[Hop, ...]
    opens: tuple[Open, ...]


class Leads(NamedTuple):
    """Where the bytes of a function may lead, and how many calls and jumps through pointers they have."""

    targets: tuple[Function, ...]
    pointers: int


class Sources(NamedTuple):
    """
    Where bytes of a section that look like a far jump end, and where each leads.

    Both are distances from `start`, the address of the section; a target has eight bytes.
    """

    start: int
    ends: list[int]
    targets: bytes


@dataclass(slots=True)
class Graph:
    """
    What was read of it so far: of the jumps alone, or `with_calls` of these too.

    `missing` names functions that a module leads to and no file at hand has.
    """

    text: Text
    with_calls: bool = False
    exits: dict[Function, Exits] = field(default_factory=dict)
    leads: dict[Function, Leads] = field(default_factory=dict)
    jumps: dict[Function, frozenset[Function]] = field(default_factory=dict)
    reached: dict[Function, tuple[frozenset[Place], bool]] = field(default_factory=dict)
    called: dict[Function, frozenset[Function]] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    sources: list[Sources] | None = None
    pointer: re.Pattern[bytes] | None = None


def exits_of(graph: Graph, function: Function) -> Exits:
    """Read where a function leads; raises MissingExtraError without capstone."""
    if function not in graph.exits:
        read = tuple(_exits(graph, function))
        hops = tuple(found for found in read if isinstance(found, Hop))
        graph.exits[function] = Exits(hops, tuple(found for found in read if isinstance(found, Open)))
    return graph.exits[function]


def _exits(graph: Graph, function: Function) -> Iterator[Hop | Open]:
    text, parts, seen = graph.text, [function], {start_of(function)}
    for part in parts:
        for branch in _leaving(graph, part):
            callee = function_at(text, branch.target) if branch.target is not None else None
            if branch.target is None:
                yield Open(part, branch)
            elif callee is not None and not is_same(text, callee, function):
                yield Hop(function, part, branch, callee)
            elif callee is not None and start_of(callee) not in seen:
                seen.add(start_of(callee))
                parts.append(callee)
        following = fall_through(text, part)
        if following is not None:
            yield following._replace(caller=function)


def _leaving(graph: Graph, part: Function) -> Iterator[Branch]:
    """List the branches that leave a part of a function; not those through a table of its own places."""
    ignored = _NO_BRANCH if graph.with_calls else _NO_JUMP
    for insn in instructions(graph.text, part):
        if insn.flow in ignored or (part.module is None and _stays(part, insn)):
            continue
        branch = branch_of(graph.text, part.module, insn)
        if branch is None or branch.kind == "return" or (branch.target is None and "*8" in insn.operands):
            continue
        target = branch.target
        if target is None or target.module != part.module or not _is_inside(part, target.address):
            yield branch


def _stays(part: Function, insn: Insn) -> bool:
    return insn.is_branch and _is_inside(part, insn.value)


def _is_inside(function: Function, address: int | None) -> bool:
    return address is not None and function.address <= address < function.address + function.size_bytes


def fall_through(text: Text, function: Function) -> Hop | None:
    """Give the step to the next symbol that assembly runs on into; it has a branch without a target."""
    insns = [insn for insn in instructions(text, function) if not insn.mnemonic.startswith(("nop", "int3"))]
    last = insns[-1] if insns else None
    if last is None or last.flow or last.end != function.address + function.size_bytes:
        return None
    following = function_at(text, Place(function.module, last.end))
    return None if following is None else Hop(function, function, Branch("jump", last), following)


def leads_of(graph: Graph, function: Function) -> Leads:
    """Say where bytes suggest that a function leads: to no fewer functions than it does."""
    if function not in graph.leads:
        graph.leads[function] = _leads(graph, function)
    return graph.leads[function]


def _leads(graph: Graph, function: Function) -> Leads:
    targets: dict[Function, None] = {}
    parts, pointers = [function], 0
    for part in parts:
        places, through_pointers = _suggested(graph, part)
        pointers += through_pointers
        for place in places:
            there = function_at(graph.text, place)
            if there is None:
                graph.missing |= {place.name} - {""}
            elif (there == function or ".cold" in there.name) and is_same(graph.text, there, function):
                parts += [there] if there not in parts else []
            elif there.name.startswith(THUNK):
                pointers += 1
            elif place.address in (None, there.address) and there.name not in RETURN_THUNKS:
                targets[there] = None
    return Leads(tuple(targets), pointers)


def _suggested(graph: Graph, part: Function) -> tuple[list[Place], int]:
    """Where a part may lead, and how many calls and jumps through pointers it has but for those of thunks."""
    if part.module is not None:
        branches = list(_leaving(graph, part))
        known = [branch.target for branch in branches if branch.target is not None]
        return known, len(branches) - len(known)
    code = code_at(graph.text, part.address, min(part.size_bytes, _MAX_FUNCTION_BYTES))
    if graph.text.machine == EM_AARCH64:
        targets, pointers = _scan_arm64(code)
    else:
        targets = _scan_x86(code, _BRANCH if graph.with_calls else _ANY_JUMP)
        pointers = len(_pointer(graph).findall(code)) if graph.with_calls else 0
    start, end = part.address, part.size_bytes
    return [Place(None, start + target) for target in targets if not 0 <= target < end], pointers


def _pointer(graph: Graph) -> re.Pattern[bytes]:
    # A kernel with thunks calls them instead, but for what is patched anyway, as paravirt calls are.
    if graph.pointer is None:
        graph.pointer = _FIXED_POINTER if functions_named(graph.text, f"{THUNK}rax") else _POINTER
    return graph.pointer


def code_at(text: Text, address: int, size_bytes: int) -> bytes:
    """Give bytes of vmlinux."""
    image = text.images[None]
    return bytes_at(image.elf, symbols_of(image), address, size_bytes)


def scan(code: bytes, form: Form) -> tuple[list[int], list[int]]:
    """Find where bytes that look like a branch end, and where each leads: both from the first byte on."""
    size, distance_at = form.distance.size, form.distance.unpack_from
    ends = [found.end() + size for found in form.opcode.finditer(code)]
    return ends, [end + distance_at(code, end - size)[0] for end in ends]


def _scan_x86(code: bytes, form: Form) -> list[int]:
    targets = scan(code, form)[1]
    for base in {0, max(0, len(code) - NEAR_BYTES)}:
        targets += [base + target for target in scan(code[base : base + NEAR_BYTES], SHORT_JUMP)[1]]
    return targets


def _scan_arm64(code: bytes) -> tuple[list[int], int]:
    words = array("I")
    words.frombytes(code[: len(code) // 4 * 4])
    found, pointers = [], 0
    for index, word in enumerate(words):
        if word & 0x7C000000 == 0x14000000:  # b, bl
            distance = ((word & 0x3FFFFFF) ^ 0x2000000) - 0x2000000
            found.append(4 * (index + distance))
        elif word & 0xFFFFFC1F == 0xD63F0000:  # blr; a br is nearly always a switch
            pointers += 1
    return found, pointers
