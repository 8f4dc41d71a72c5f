# SPDX-License-Identifier: GPL-2.0-or-later
"""
A log whose line breaks a page or a form lost: one line again for each that the kernel wrote.

    Unable to handle kernel NULL pointer dereference at virtual address 0000000c pgd = c0004000 ...

The kernel's own words begin its lines, and frames stand one in a line.
"""

from __future__ import annotations

import re

from keepsane.kernel.log.dress.anchors import ANCHOR
from keepsane.kernel.log.dress.letters import MAX_CHARACTERS

LEAST_ANCHORS = 6
"""So many words that only a kernel says, in one line, are a report; a sentence about one has fewer."""
LEAST_CHARACTERS = 300

_ADDRESS = r"\[(?:<[0-9a-f]{8,16}>)?\]"
_NAME = r"[A-Za-z_][\w.]{0,120}+"
_BEGINS = re.compile(
    r"(?<=\s)(?:#PF: |PGD |P[4MU]D |pgd = |\*pd[ep]|\[[0-9a-f]{8,16}\] \*pgd|Process \S{1,32} \(pid: |Stack:"
    r"|Flags: \w{4} |Control: |Workqueue: |Tainted: \[|task: [0-9a-f]|task\.stack|FS:  ?[0-9a-f]{8}|CS: "
    r"|(?:CR[02]|DR[03]|EFLAGS|ESI|eax|esi): [0-9a-f]{8}|R(?:BP|08|10|13): [0-9a-f]{16}|DS: |ds: |sp : "
    r"|x\d{1,2} ?: [0-9a-f]{16} x|r(?:10|7|3) ?: [0-9a-f]{8}|pstate: |epc ?: |ra {4}: |BadVA : |Cause : "
    r"|Status: |Hi {4}: |Lo {4}: |\$ ?\d{1,2} {0,3}: [0-9a-f]{8}|NIP(?: \[|: )|LR \[|REGS: |MSR: |CFAR: "
    r"|GPR\d\d: |Krnl |Pid: \d|CPU: \d|PKRU: |note: |Rebooting in |printing eip|Oops\[#|R?IP: {1,2}\[<|"
    + ANCHOR.pattern
    + r")"
)
_OFFSET = r"\+0x[0-9a-f]{1,8}/0x[0-9a-f]{1,8}"
_FRAME = re.compile(
    rf"(?<=\s)(?:(?:{_ADDRESS}\s{{1,4}})?(?:\?\s{{1,4}})?{_NAME}{_OFFSET}"
    rf"|{_ADDRESS} \({_NAME}(?:{_OFFSET})?(?: \[\w{{1,64}}\])?\) from |</?[A-Z]{{2,8}}>)"
)
_TRACE = re.compile(r"(?:Call [Tt]race|Backtrace):")


def lines_of(text: str) -> tuple[str, ...]:
    """Give the lines that one line was; the line alone where it is none of a whole report."""
    if not LEAST_CHARACTERS <= len(text) <= MAX_CHARACTERS:
        return (text,)
    if sum(1 for _ in ANCHOR.finditer(text)) < LEAST_ANCHORS:
        return (text,)
    return tuple(line for piece in _cut(text, _BEGINS) for line in _frames(piece) if line)


def _cut(text: str, begins: re.Pattern[str]) -> tuple[str, ...]:
    places = [found.start() for found in begins.finditer(text)]
    starts = (0, *(place for place in places if place))
    return tuple(text[start:end].strip() for start, end in zip(starts, (*starts[1:], None), strict=True))


def _frames(piece: str) -> tuple[str, ...]:
    return _cut(piece, _FRAME) if _TRACE.match(piece) else (piece,)
