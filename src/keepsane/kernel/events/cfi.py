# SPDX-License-Identifier: GPL-2.0-or-later
"""
A call through a pointer to a function of another type: control flow integrity.

    CFI failure at widget_call+0x1c/0x40 (target: widget_poke+0x0/0x20; expected type: 0xa540670c)
    CFI failure at widget_call+0x1c/0x40 (no target information)
    CFI failure (target: widget_poke+0x0/0x20):                         up to 6.0

A BUG follows ("invalid opcode" on x86, "Oops - CFI" on arm64), or with CONFIG_CFI_PERMISSIVE a WARNING.
Source: kernel/cfi.c, report_cfi_failure(), up to 6.0 handle_cfi_failure().
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from keepsane.judge import CannotTell, rule
from keepsane.kernel.log.block import PRELUDE, Block, Opening, build, titled
from keepsane.kernel.log.culprit import culprit, is_machinery, names, plain_name
from keepsane.kernel.log.groups import Hex
from keepsane.kernel.log.quote import quote_head, quote_match, some
from keepsane.kernel.log.trace import MODULE, SYMBOL
from keepsane.model import Event
from keepsane.report import Advice, Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Cfi(Event):
    """A pointer to `target` was called, which is not of the type expected there (`expected_type`, a hash)."""

    target: str | None = None
    expected_type: Hex | None = None


HEAD = re.compile(
    r"CFI failure (?:at " + SYMBOL + MODULE + r" )?\((?:target: (?P<target>[^;)]{1,600})"
    r"(?:; expected type: 0x(?P<expected_type>[0-9a-f]{1,8}))?|no target information)"
)
_CHECKS = ("__cfi_", "__ubsan_handle_cfi")


def _checked_in(block: Block) -> str | None:
    """Name the caller of the check: up to 6.0 the check is a function of its own."""
    called = names(frame for stack in block.body.stacks for frame in stack.frames)
    return next((name for name in called if not name.startswith(_CHECKS) and not is_machinery(name)), None)


def parse_cfi(block: Block) -> Cfi | None:
    """
    Read a CFI failure.

    Accepted format:
        CFI failure at widget_call+0x1c/0x40 (target: widget_poke+0x0/0x20; expected type: 0xa540670c)
    """
    caller = block.head["function"]
    function = plain_name(caller) if caller else _checked_in(block) or culprit(block.body)
    return build(Cfi, block, "cfi", titled("CFI failure", function), needs_end=True)


OPENINGS = (Opening("cfi", HEAD, parse_cfi, rank=PRELUDE),)


@rule("called-as-another-type", on=Cfi)
def called_as_another_type(event: Cfi) -> Iterator[Finding]:
    """
    A function was called through a pointer of another type than its own.

    What it means: either the function has other arguments or another result than the pointer says (a cast
    hides it), and worked by luck so far; or the pointer was overwritten, by a bug or by an attack, and leads
    where nobody meant it to.

    How we know: the compiler puts a number for its type before each function, and before each call by a
    pointer it compares. The target's name tells which of the two it is: a function of the same driver with a
    slightly different type, or one that has nothing to do with it.

    What to do: compare the type of the target with that of the pointer at the call. If they belong together,
    correct the function's type; if not, look for who wrote the pointer.

    When it is wrong: a target that was built without CFI (assembly, an out-of-tree module) has no number.
    """
    if event.target is None:
        if any("no target information" in record.text for record in event.records):
            raise CannotTell("the report does not say which function was called")
        return
    name = plain_name(event.target.partition("+")[0])
    yield Finding(
        severity="error",
        confidence="medium",
        title=f"{name} was called through a pointer of another type",
        evidence=some(quote_match(event, HEAD, "who was called") or quote_head(event)),
        explanation="If the two belong together its type is wrong and a cast hid it; else the pointer is.",
        advice=(Advice(text=f"compare the arguments and the result of {name} with those of the pointer"),),
        references=("kernel/cfi.c, report_cfi_failure()",),
    )
