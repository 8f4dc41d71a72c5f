# SPDX-License-Identifier: GPL-2.0-or-later
"""
UBSAN: an operation that C leaves undefined.

    UBSAN: array-index-out-of-bounds in drivers/crashme/table.c:63:56
    index 4 is out of range for type 'u8 [4]'
    UBSAN: Undefined behaviour in drivers/crashme/table.c:1517:25                            before 5.8
    Internal error: UBSAN: array index out of bounds: 00000000f2005512 [#1] PREEMPT SMP      arm64, UBSAN_TRAP
    UBSAN: array index out of bounds at look_up+0x1a/0x30                                    x86, UBSAN_TRAP

Source: lib/ubsan.c, ubsan_prologue() and report_ubsan_failure(); arch/arm64/kernel/traps.c, ubsan_handler().
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from keepsane.kernel.log.block import Block, Opening, build, titled
from keepsane.kernel.log.culprit import culprit
from keepsane.model import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Ubsan(Event):
    """
    An undefined operation in `file` at `source_line` and `column`, each None in the trap form.

    `bug` is the kernel's word for it, `message` its sentence with the values.
    """

    bug: str
    file: str | None = None
    source_line: int | None = None
    column: int | None = None
    message: str | None = None


HEAD = re.compile(
    r"UBSAN: (?P<bug>[A-Za-z][A-Za-z -]{2,60}) in (?P<file>[^\s:]{1,1024}):(?P<source_line>\d{1,7})(?::"
    r"(?P<column>\d{1,7}))?"
)
TRAP = re.compile(
    r"(?:Internal error: )?UBSAN: (?P<bug>[a-z][a-z /-]{2,60}?)(?:: [0-9a-f]{8,16} \[#| at [A-Za-z_.]\S*\+0x)"
)
_MESSAGE = re.compile(
    r"index -?\w+ is out of range|shift exponent |left shift of |right shift of |signed integer overflow"
    r"|unsigned integer overflow"
    r"|-?\d{1,20} [*+/-] -?\d{1,20} cannot be|negation of |division (?:of|by)|load of (?:value|address"
    r"|misaligned)"
    r"|member access within|store to "
    r"|(?:null|misaligned|not aligned) |.{0,80}(?:cannot be represented|insufficient space"
    r"|not a valid value|misaligned address|null pointer)"
    r"|variable length array|calling |execution reached|pointer (?:operation|index)|object at|assumption"
    r"|implicit "
)


def _message(block: Block) -> str | None:
    return next((record.text.strip() for record in block.behind_head if _MESSAGE.match(record.text)), None)


def parse_ubsan(block: Block) -> Ubsan | None:
    """
    Read a UBSAN report.

    Accepted format:
        UBSAN: shift-out-of-bounds in drivers/crashme/table.c:25:16
        shift exponent 40 is too large for 32-bit type 'int'
    """
    function, bug = culprit(block.body), block.head["bug"]
    what = f"UBSAN: {bug[0].lower()}{bug[1:]}"
    place = f"{PurePosixPath(block.head['file']).name}:{block.head['source_line']}"
    title = titled(what, function) if function else f"{what} at {place}"
    return build(Ubsan, block, "ubsan", title, message=_message(block))


def parse_ubsan_trap(block: Block) -> Ubsan | None:
    """
    Read the oops of a kernel that traps on undefined operations; it does not say in which file.

    Accepted format:
        Internal error: UBSAN: array index out of bounds: 00000000f2005512 [#1] PREEMPT SMP
    """
    title = titled(f"UBSAN: {block.head['bug']}", culprit(block.body))
    return build(Ubsan, block, "ubsan", title, needs_end=True)


OPENINGS = (
    Opening("ubsan", HEAD, parse_ubsan, own=_MESSAGE),
    Opening("ubsan-trap", TRAP, parse_ubsan_trap),
)
