# SPDX-License-Identifier: GPL-2.0-or-later
"""
KASAN: the address sanitizer saw an access outside an object or to freed memory.

    BUG: KASAN: slab-use-after-free in poke_freed+0x1b0/0x1d0 [crashme]
    Read of size 8 at addr ffff8880123450c0 by task insmod/101
    BUG: KASAN: use-after-free in poke_freed+0x1b0/0x1d0 at addr ffff8800123450c0       4.4 to 4.9
    BUG: KASan: out of bounds access in poke_freed+0x1b0/0x1d0 at addr ffff8800123450c0 4.0 to 4.3
    BUG: KASAN: invalid-access in poke_freed+0x1b0/0x1d0                                 arm64 memory tags
    Pointer tag: [0b], memory tag: [fe]

Source: mm/kasan/report.c, print_error_description(); mm/kasan/report_generic.c; mm/kasan/report_hw_tags.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from keepsane.kernel.log.block import Block, Opening, build, damage_of, titled
from keepsane.kernel.log.culprit import accused, own_stack
from keepsane.kernel.log.groups import Hex, task_of
from keepsane.kernel.log.trace import MODULE, SYMBOL
from keepsane.model import Event, Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Kasan(Event):
    """
    A memory access that KASAN forbids.

    `bug` is the kernel's word for it, `access` "read", "write" or "free", `address` what was touched.
    `cache` and `object_bytes` describe the slab object nearby, `offset_bytes` the distance from it and
    `relation` its direction ("inside of", "to the right of"); `variable` is the global touched instead.
    The tags are those of hardware and software tagged pointers.
    """

    bug: str
    access: str | None = None
    size_bytes: int | None = None
    address: Hex | None = None
    cache: str | None = None
    object_address: Hex | None = None
    object_bytes: int | None = None
    offset_bytes: int | None = None
    relation: str | None = None
    variable: str | None = None
    pointer_tag: Hex | None = None
    memory_tag: Hex | None = None


HEAD = re.compile(
    r"BUG: KAS[Aa][Nn]: (?P<bug>[a-z][a-z -]{2,60}?)"
    r"(?: in\s{1,8}+(?:" + SYMBOL + MODULE + r"|(?P<bare>\S{1,255}))"
    r"| on address +(?P<address_>[0-9a-f]{4,16}|\(null\))|\s*+$)"
    r"(?:.{0,200} at addr (?P<address>[0-9a-f]{4,16}))?"
)
_ACCESS = re.compile(
    r"(?P<access>Read|Write|Free) (?=of size|at addr|of addr)(?:of size (?P<size_bytes>\d{1,20}) ?)?"
    r"(?:(?:at|of) addr (?P<address>[0-9a-f]{4,16}) ?)?(?:by task (?P<comm>.{1,32})/(?P<pid>\d{1,10}))?"
)
_OBJECT = re.compile(
    r"(?:The buggy address belongs to the object at|Object at) (?P<object_address>[0-9a-f]{8,16})"
)
_CACHE = re.compile(
    r"(?: ?which belongs to the cache |Object at [0-9a-f]{8,16}, in cache )(?P<cache>\S{1,64}) (?:of size "
    r"|size: )"
    r"(?P<object_bytes>\d{1,10})"
)
_LOCATED = re.compile(
    r"The buggy address is located (?P<offset_bytes>\d{1,20}) bytes (?P<relation>inside of|to the (?:right"
    r"|left) of)"
)
_VARIABLE = re.compile(r" ?(?P<variable>[A-Za-z_][\w.]{0,255})\+0x")
_TAGS = re.compile(
    r"Pointer tag: \[(?P<pointer_tag>[0-9a-f]{2})\], memory tag: \[(?P<memory_tag>[0-9a-f]{2})\]"
)
_NO_STACK = ("The buggy address", "addr ")
"""Names of what reads like a stack of one frame: the global or the frame that holds the variable touched."""

SHADOW = (
    r">?\s*[0-9a-f]{8,16}: (?:[0-9a-f]{2}[ \[\]]{0,4}+){8,64}$|\s+\^\s*+$|Memory state around"
    r"|The buggy address"
    r"|addr [0-9a-f]{8,16} is "
    r"| which belongs to|\s*(?:freed |allocated )?\d{1,20}-byte region|\(stack is|Object at |(?:Allocated"
    r"|Freed):?$|PID = \d"
    r"|this frame has|\s*\[\d{1,20}, \d{1,20}\) '|\s*and is located|Pointer tag:|The buggy address belongs"
    r"|Disabling lock debugging"
)
"""Lines of the shadow memory and of the description of the object."""
PAGE = (
    r"page:|raw: |flags: 0x|head:|page dumped because|page_type: |page has been|page_owner"
    r"|page last (?:allocated|free)|memcg:"
    r"|aops:|pfn:0x|anon flags|file flags|index:|mapping:|ksm flags|page_pool"
)
"""Lines of mm/debug.c, dump_page()."""
_OWN = re.compile(
    SHADOW + "|" + PAGE + r"|(?:Read|Write|Free) (?:of size|at addr|of addr)|BUG .{1,64} \(.{1,60}\): kasan: "
    r"|INFO: (?:Slab|Object) 0x|(?:Object|Redzone|Padding|Bytes b4) [0-9a-f]{8,16}: "
    r"|Address [0-9a-f]{8,16} is located|Use-after-free|Buffer overflow"
)


def _variable(block: Block) -> re.Match[str] | None:
    """Read the line after `The buggy address belongs to the variable:`."""
    texts = [record.text for record in block.records]
    for said, following in pairwise(texts):
        if said.startswith("The buggy address belongs to the variable") and (
            found := _VARIABLE.match(following)
        ):
            return found
    return None


def _stacks(block: Block) -> tuple[Stack, ...]:
    return tuple(stack for stack in block.body.stacks if not stack.name.startswith(_NO_STACK))


def _damage(block: Block) -> str:
    # Before 6.0 a bad free had no line of its own.
    bad_free = block.head["bug"].startswith("double-free") or block.head["bug"].endswith("invalid-free")
    said = [] if bad_free or block.find(_ACCESS) else ["no line that says what was accessed"]
    if block.body.stacks and own_stack(block.head, block.body) is None:
        said.append("its call trace is lost: the one here does not lead to the function of the headline")
    return "; ".join([*said, *filter(None, [damage_of(block)])])


def parse_kasan(block: Block) -> Kasan | None:
    """
    Read a KASAN report with the stacks of the access, of the allocation and of the release.

    Accepted format:
        BUG: KASAN: slab-out-of-bounds in poke_past_end+0x1b0/0x1d0
        Write of size 1 at addr ffff888012345140 by task insmod/101
    """
    access = block.find(_ACCESS)
    did = access["access"].lower() if access else None
    word = f" {did.capitalize()}" if did in ("read", "write") else ""
    return build(
        Kasan,
        block,
        "kasan",
        titled(f"KASAN: {block.head['bug']}{word}", accused(block.head, block.body)),
        access,
        *map(block.find, (_OBJECT, _CACHE, _LOCATED, _TAGS)),
        _variable(block),
        damage=_damage(block),
        task=block.body.task or task_of(access),
        stacks=_stacks(block),
        access=did,
    )


OPENINGS = (Opening("kasan", HEAD, parse_kasan, own=_OWN),)
