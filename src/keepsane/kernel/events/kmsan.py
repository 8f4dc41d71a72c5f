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
from collections.abc import Iterator
from dataclasses import dataclass, replace

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.who import Doer, doer, lines
from keepsane.kernel.log.block import Block, Opening, build, titled
from keepsane.kernel.log.culprit import accused
from keepsane.kernel.log.quote import quote, quote_head, some
from keepsane.kernel.log.trace import MODULE, SYMBOL
from keepsane.model import Event
from keepsane.report import Advice, Finding


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
    r"Local variable (?:(?:-{4})?(?P<variable>[\w.]{1,255})(?:@[\w.]{1,255})? (?:created|description)"
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


_CREATED = re.compile(r"Uninit was created at|Local variable .{1,255} created at")
_STORED = re.compile(r"Uninit was stored to memory at")
_RANGE = re.compile(r"Bytes? \d{1,10}(?:-\d{1,10})? of ")


@rule("uninitialised-since", on=Kmsan)
def uninitialised_since(event: Kmsan) -> Iterator[Finding]:
    """
    The value was used, and nobody had written it since its memory was allocated.

    What it means: the function of the title is only where the value decided something or left the kernel. The
    fault lies where the memory was created and not filled: an allocation without zeroing of which only a part
    is written, a local variable that one path leaves as it is, a length taken from a device or a packet.

    How we know: KMSAN follows each byte from where it was created. `Uninit was created at` is the stack of
    the allocation, `Local variable` names the variable; `stored to memory at` are copies in between.

    What to do: see which bytes of what was created there stay unwritten, and whether the code may rely on
    them. Zero the memory (`kzalloc()`, `= {}`) or check the length before it is used.

    When it is wrong: memory that hardware or assembly wrote is unknown to KMSAN unless it is told.
    """
    made = doer(event, _CREATED, "where it was created")
    if made is None and event.variable is None:
        raise CannotTell("the report does not show where the memory was created")
    passed = doer(event, _STORED, "where it was copied")
    source, where = _source(event, made), f" in {made.function} and behind it" if made else ""
    yield Finding(
        severity="error",
        confidence="high",
        title=source,
        evidence=some(quote_head(event), *lines(made, passed), quote(event, _RANGE, "which bytes")),
        explanation=_path(event, passed),
        advice=(Advice(text=f"see which of its bytes stay unwritten{where}"),),
        references=("Documentation/dev-tools/kmsan.rst",),
    )


def _source(event: Kmsan, made: Doer | None) -> str:
    if event.variable is not None:
        of = f" of {made.function}" if made else ""
        return (
            f"it comes from the local variable {event.variable}{of}, which was not written, or not all of it"
        )
    return f"it comes from memory that was allocated in {made.function} and not written since" if made else ""


def _path(event: Kmsan, passed: Doer | None) -> str:
    first, last = event.first_byte, event.last_byte
    which = ""
    if first is not None and last is not None and event.size_bytes is not None:
        some_bytes = f"Byte {first}" if first == last else f"Bytes {first} to {last}"
        which = f"{some_bytes} of the {event.size_bytes} that were used are concerned. "
    leak = "The bytes left the kernel: who reads them sees what lay in its memory before. "
    by = f"They were copied in {passed.function} before." if passed else ""
    return f"{leak if 'infoleak' in event.bug else ''}{which}{by}".strip() or _USED


_USED = "What the kernel does next depends on what lay there by chance."
