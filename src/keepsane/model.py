# SPDX-License-Identifier: GPL-2.0-or-later
"""
The values that travel between the rooms: read, parse, judge, render.

All are immutable. Absent is None. The JSON contract spells these field names letter for letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = str
"""A kind of report, `null-deref` or `oom-kill`: the names are in the table of kernel/log/kinds.py."""
Role = Literal["ip", "return", "pointer"]
Access = Literal["read", "write"] | None
Verdict = Literal[
    "direct",
    "inlined",
    "tail-call",
    "indirect",
    "exception",
    "not-a-call",
    "stale",
    "reporter",
    "unjudged",
    "unknown",
]
HopKind = Literal[
    "call",
    "jump",
    "conditional jump",
    "indirect jump",
    "static call",
    "alternative",
    "trampoline",
    "table",
    "possible table",
    "pointer",
]


class LogRecord(NamedTuple):
    """
    One line of a kernel log, its prefix removed and its text verbatim.

    `line` counts from 1. `seconds` is the time since boot, `level` the printk level 0 to 7, `caller` the
    printk caller id ("T123" a task, "C1" a CPU), `host` the machine that a logger names; each is None where
    the line does not say it.
    """

    line: int
    seconds: float | None
    level: int | None
    caller: str | None
    text: str
    host: str | None = None


class SourceText(NamedTuple):
    """Lines of a source file around a place; `first_line` counts from 1, `path` is where it was read."""

    first_line: int
    lines: tuple[str, ...]
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLine:
    """One level of an inline chain; `inlined` where the function was inlined into the next one outwards."""

    function: str
    file: str | None
    line: int | None
    column: int | None
    inlined: bool
    text: SourceText | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """
    One step from a caller to its callee.

    A `possible table` is one of several that fit, a `pointer` code that takes the callee's address.
    `function` is what the step leads to, `name` a table's member, a static call's name, or the function whose
    code takes the address; `source` is the line of the instruction.
    """

    kind: HopKind
    function: str | None
    name: str | None
    source: SourceLine | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """
    How the call before a frame's return address led to the frame above it, read from the caller's bytes.

    `via` are the hops from the caller to the callee, none where several chains of them fit, `why` is the
    reason in words. `judged` is False where no call was read: why is then the frame's note, or the same for
    all. `group` is the same for all frames that one earlier path left on the stack. `instruction` is the call
    as its file has it and `at` where it stands, `vfs_write+0xf3`; `form` says as what it ran where the kernel
    patches it. All three are "" where there is no call.
    """

    verdict: Verdict
    via: tuple[Hop, ...]
    why: str
    judged: bool = True
    group: str = ""
    instruction: str = ""
    at: str = ""
    form: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """
    One entry of a stack trace.

    `line` is where the log printed it. `function` is the name as printed, None for a bare address.
    `address` is the absolute address where one was printed. `reliable` is False for `?` frames. `role` says
    what the address is: `ip` was executing, `return` follows a call, `pointer` only lay on the stack.
    `locations` is the inline chain, innermost first, empty where nothing was decoded; `note` then says why.
    `file_unused`: nothing of its binary was, for what a check or a failure of the report says.
    """

    line: int
    function: str | None
    offset_bytes: int | None
    size_bytes: int | None
    module: str | None = None
    build_id: str | None = None
    address: int | None = None
    reliable: bool = True
    role: Role = "return"
    locations: tuple[SourceLine, ...] = ()
    note: str = ""
    file_unused: bool = False
    edge: Edge | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A named run of frames, innermost first: `Call Trace`, `IRQ`, `Allocated by task 7`, ..."""

    name: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Who was running; each part None where the log does not say it."""

    comm: str | None = None
    pid: int | None = None
    cpu: int | None = None


class TaintFlag(NamedTuple):
    """One letter of `Tainted:` and the kernel's reason for it."""

    letter: str
    meaning: str


class Register(NamedTuple):
    """One register of the kernel's dump, named as the log names it, with what its value looks like."""

    name: str
    value: int
    meaning: str | None


class Instruction(NamedTuple):
    """
    One instruction of a `Code:` line.

    `offset_bytes` counts from the trapping instruction; `address` is absolute where the ip is known.
    """

    offset_bytes: int
    raw: bytes
    text: str
    trapping: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trap:
    """
    How the instruction that trapped made the address it used: base + index * scale + displacement.

    `base` and `index` are registers as the instruction names them, None where it has none. `access` is "read"
    or "write" and `width_bytes` how much it touched, each None where the instruction does not tell.
    """

    mnemonic: str
    base: str | None
    index: str | None
    scale: int
    displacement: int
    access: Access
    width_bytes: int | None


class Member(NamedTuple):
    """
    A member of a structure that an instruction wanted: `struct widget`, `list.next`, 0x10 bytes in.

    `variable` is the pointer as the source has it, `w` or `w->next`. `proven` says that it lay in the
    register that the instruction used; otherwise it is only one whose type fits.
    """

    structure: str
    path: str
    offset_bytes: int
    variable: str
    proven: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """
    A `Code:` line: the bytes around the trapping instruction.

    `line` is where the log printed it, `data` the bytes, `trap_bytes` the index of the byte in `<>` or
    `()`, None where none was marked, `word_bytes` the size of a printed word (1 on x86, 4 on arm64).
    `trap` is what the marked instruction did to memory, None where it used none or was not decoded.
    `members` is what it wanted there by the debug information: one that is proven, or candidates. `file` is
    the vmlinux or module that the bytes were read from where the log has none, and `line` then the ip's.
    """

    line: int
    data: bytes
    trap_bytes: int | None
    word_bytes: int
    instructions: tuple[Instruction, ...] = ()
    trap: Trap | None = None
    members: tuple[Member, ...] = ()
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """
    One report found in a log: a crash, a warning, a stall, a dump.

    A subclass per kind adds what only that kind says; those fields are `fields` in JSON. `line` and
    `last_line` bound the block in the log; `boot` counts the boots in it from 1; `again` holds the first
    lines of later reports that said the same, the last of which was printed `again_until_seconds` after boot.
    `arch` is the machine by the report's own register lines, None where it has none. `ip` is the frame that
    was executing, `link` where it would have returned to by the link register, None on x86, which has none.
    `damage` says in words what the block lacks, "" when it is whole. `records` is the block itself and is not
    rendered.
    """

    kind: Kind
    title: str
    line: int
    last_line: int
    boot: int = 1
    again: tuple[int, ...] = ()
    again_until_seconds: float | None = None
    task: Task | None = None
    release: str | None = None
    build_id: str | None = None
    arch: str | None = None
    taint: tuple[TaintFlag, ...] = ()
    ip: Frame | None = None
    link: Frame | None = None
    registers: tuple[Register, ...] = ()
    code: Code | None = None
    stacks: tuple[Stack, ...] = ()
    modules: tuple[str, ...] = ()
    damage: str = ""
    records: tuple[LogRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """
    Which kernel wrote the log, as far as it says so.

    `version` is the rest of the banner from `#1 SMP` on; `offset_bytes` is what KASLR added.
    """

    release: str | None = None
    version: str | None = None
    build_id: str | None = None
    arch: str | None = None
    offset_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSummary:
    """
    What is known when the log has ended: the fact that rules about a whole log judge.

    `skipped_lines` counts lines outside every recognised block, `unread_lines` those inside a block that
    no pattern took. `notes` are what must be known of a log that reports nothing.
    """

    kernel: Kernel
    events: tuple[Event, ...]
    unread_lines: int
    skipped_lines: int
    boots: tuple[Kernel, ...] = ()
    notes: tuple[str, ...] = ()
