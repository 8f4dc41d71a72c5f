# SPDX-License-Identifier: GPL-2.0-or-later
"""
KMSAN: memory was used before it was initialised.

    BUG: KMSAN: uninit-value in check_header+0x2b6/0xca0
    BUG: KMSAN: kernel-infoleak in _copy_to_iter+0x376/0x1c60
    Uninit was stored to memory at:
    Uninit was created at:
    Local variable reply created at:

Source: mm/kmsan/report.c, kmsan_report() and kmsan_print_origin().
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from keepsane.kernel.log.block import Block, Opening, build, titled
from keepsane.kernel.log.culprit import accused
from keepsane.kernel.log.trace import MODULE, SYMBOL
from keepsane.model import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Kmsan(Event):
    """
    A value that nobody wrote was used or left the kernel.

    `bug` is the kernel's word, `variable` the local variable it came from, `first_byte`, `last_byte` and
    `size_bytes` say which part of the access was uninitialised.
    """

    bug: str
    variable: str | None = None
    first_byte: int | None = None
    last_byte: int | None = None
    size_bytes: int | None = None


HEAD = re.compile(
    r"BUG: KMSAN: (?P<bug>[a-z][a-z -]{2,60}?)(?: in (?:" + SYMBOL + MODULE + r"|(?P<bare>\S{1,255}))|\s*+$)"
)
_VARIABLE = re.compile(
    r"Local variable (?:(?P<variable>[\w.]{1,255}) (?:created|description)"
    r"|description: (?:-{4})?(?P<variable_>[^@\s]{1,255}))"
)
_BYTES = re.compile(
    r"Bytes? (?P<first_byte>\d{1,10})(?:-(?P<last_byte>\d{1,10}))? of "
    r"(?P<size_bytes>\d{1,10}) (?:is|are) uninitialized"
)
_OWN = re.compile(
    r"Uninit was |Local variable |Variable was created|Bytes? \d{1,20}(?:-\d{1,20})? of \d{1,20} "
    r"|Memory access of size "
    r"|Data copied to|\(stack is not available\)"
    r"|(?:chained )?origin:|=+ ?chained origin|kmsan_|<Zero|and (?:then )?stored"
)


def parse_kmsan(block: Block) -> Kmsan | None:
    """
    Read a KMSAN report; the stack of the use has the name `Call Trace`, the others the kernel's words.

    Accepted format:
        BUG: KMSAN: uninit-value in check_header+0x2b6/0xca0 [crashme]
    """
    title = titled(f"KMSAN: {block.head['bug']}", accused(block.head, block.body))
    event = build(Kmsan, block, "kmsan", title, block.find(_VARIABLE), block.find(_BYTES))
    return event if event.last_byte is not None else replace(event, last_byte=event.first_byte)


OPENINGS = (Opening("kmsan", HEAD, parse_kmsan, own=_OWN),)
