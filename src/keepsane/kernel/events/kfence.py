# SPDX-License-Identifier: GPL-2.0-or-later
"""
KFENCE: a sampled allocation caught an access outside it, after its release, or a bad free.

    BUG: KFENCE: out-of-bounds write in poke_past_end+0x8e/0x148
    Out-of-bounds write at 0xffff8c2aae23bfff (1B left of kfence-#29):
    BUG: KFENCE: memory corruption in release_it+0xb3/0x20f
    Corrupted memory at 0xffff8c2aae24c020 [ 0x2a . . . . . . . ] (in kfence-#37):
    kfence-#29: 0xffff8c2aae23c000-0xffff8c2aae23c01f, size=32, cache=kmalloc-32
    kfence-#29 [0xffff8c2aae23c000-0xffff8c2aae23c01f, size=32, cache=kmalloc-32] allocated by task 112:

Source: mm/kfence/report.c, kfence_report_error() and kfence_print_object().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.log.block import Block, Opening, build, titled
from keepsane.kernel.log.culprit import accused
from keepsane.kernel.log.groups import Hex
from keepsane.kernel.log.trace import MODULE, SYMBOL
from keepsane.model import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Kfence(Event):
    """
    An access that hit a KFENCE guard.

    `bug` is the kernel's word, `access` "read" or "write" where it was one; `address` is what was touched,
    the object is `object_bytes` long at `object_address` and from `cache`.
    """

    bug: str
    access: str | None = None
    address: Hex | None = None
    object_address: Hex | None = None
    object_bytes: int | None = None
    cache: str | None = None


HEAD = re.compile(
    r"BUG: KFENCE: (?P<bug>[a-z][a-z -]{2,40}?)(?: (?P<access>read|write))?(?: in (?:"
    + SYMBOL
    + MODULE
    + r"|(?P<bare>\S{1,255}))|\s*+$)"
)
_TOUCHED = re.compile(
    r"(?:Out-of-bounds (?:read|write)|Use-after-free (?:read|write)|Corrupted memory|Invalid (?:read|write)"
    r"|Invalid free) "
    r"(?:at|of) 0x(?P<address>[0-9a-f]{4,16})"
)
_OBJECT = re.compile(
    r"kfence-#\d{1,20}(?::| \[)\s?0x(?P<object_address>[0-9a-f]{4,16})-0x[0-9a-f]{4,16}, "
    r"size=(?P<object_bytes>\d{1,10}), cache=(?P<cache>[^\s\],]{1,64})"
)
_OWN = re.compile(_TOUCHED.pattern + r"|kfence-#\d{1,20}|(?:allocated|freed) by task \d{1,20}")


def parse_kfence(block: Block) -> Kfence | None:
    """
    Read a KFENCE report with the stacks of the access, of the allocation and of the release.

    Accepted format:
        BUG: KFENCE: use-after-free read in poke_freed+0x8e/0x148
    """
    word = f" {block.head['access']}" if block.head["access"] else ""
    title = titled(f"KFENCE: {block.head['bug']}{word}", accused(block.head, block.body))
    return build(Kfence, block, "kfence", title, block.find(_TOUCHED), block.find(_OBJECT))


OPENINGS = (Opening("kfence", HEAD, parse_kfence, own=_OWN),)
