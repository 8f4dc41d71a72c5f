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
from dataclasses import dataclass

from keepsane.kernel.log.block import PRELUDE, Block, Opening, build, titled
from keepsane.kernel.log.culprit import culprit, is_machinery, names, plain_name
from keepsane.kernel.log.groups import Hex
from keepsane.kernel.log.trace import MODULE, SYMBOL
from keepsane.model import Event


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
