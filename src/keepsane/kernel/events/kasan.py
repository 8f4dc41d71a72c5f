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

from keepsane.kernel.log.block import Block, Opening, build, damage_of
from keepsane.kernel.log.culprit import accused
from keepsane.kernel.log.trace import MODULE, SYMBOL
from keepsane.model import Event, Stack, Task


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
    address: int | None = None
    cache: str | None = None
    object_address: int | None = None
    object_bytes: int | None = None
    offset_bytes: int | None = None
    relation: str | None = None
    variable: str | None = None
    pointer_tag: int | None = None
    memory_tag: int | None = None


HEAD = re.compile(
    r"BUG: KAS[Aa][Nn]: (?P<bug>[a-z][a-z -]{2,60}?)"
    r"(?: in\s{1,8}+(?:" + SYMBOL + MODULE + r"|(?P<bare>\S{1,255}))"
    r"| on address +(?P<at>[0-9a-f]{4,16}|\(null\))|\s*+$)"
    r"(?:.{0,200} at addr (?P<address>[0-9a-f]{4,16}))?"
)
_ACCESS = re.compile(
    r"(?P<access>Read|Write|Free) (?=of size|at addr|of addr)(?:of size (?P<size>\d{1,20}) ?)?"
    r"(?:(?:at|of) addr (?P<address>[0-9a-f]{4,16}) ?)?(?:by task (?P<comm>.{1,32})/(?P<pid>\d{1,10}))?"
)
_OBJECT = re.compile(r"(?:The buggy address belongs to the object at|Object at) (?P<address>[0-9a-f]{8,16})")
_CACHE = re.compile(
    r"(?: which belongs to the cache |Object at [0-9a-f]{8,16}, in cache )(?P<cache>\S{1,64}) (?:of size "
    r"|size: )"
    r"(?P<size>\d{1,10})"
)
_LOCATED = re.compile(
    r"The buggy address is located (?P<offset>\d{1,20}) bytes (?P<relation>inside of|to the (?:right"
    r"|left) of)"
)
_VARIABLE = re.compile(r" ?(?P<variable>[A-Za-z_][\w.]{0,255})\+0x")
_TAGS = re.compile(r"Pointer tag: \[(?P<pointer>[0-9a-f]{2})\], memory tag: \[(?P<memory>[0-9a-f]{2})\]")
_NO_STACK = ("The buggy address", "addr ")
"""Names of what reads like a stack of one frame: the global or the frame that holds the variable touched."""

SHADOW = (
    r">?\s*[0-9a-f]{8,16}: (?:[0-9a-f]{2}[ \[\]]{0,4}+){8,64}+$|\s+\^\s*+$|Memory state around"
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


def _access(block: Block) -> dict[str, object]:
    found = block.find(_ACCESS)
    address = (found and found["address"]) or block.head["address"] or block.head["at"]
    return {
        "access": found["access"].lower() if found else None,
        "size_bytes": int(found["size"]) if found and found["size"] else None,
        "address": int(address.replace("(null)", "0"), 16) if address else None,
        "task": _task(block, found),
    }


def _task(block: Block, found: re.Match[str] | None) -> Task | None:
    if block.body.task is not None or found is None or found["pid"] is None:
        return block.body.task
    return Task(comm=found["comm"], pid=int(found["pid"]), cpu=None)


def _object(block: Block) -> dict[str, object]:
    base, cache, located = block.find(_OBJECT), block.find(_CACHE), block.find(_LOCATED)
    tags = block.find(_TAGS)
    return {
        "cache": cache["cache"] if cache else None,
        "object_address": int(base["address"], 16) if base else None,
        "object_bytes": int(cache["size"]) if cache else None,
        "offset_bytes": int(located["offset"]) if located else None,
        "relation": located["relation"] if located else None,
        "variable": _variable(block),
        "pointer_tag": int(tags["pointer"], 16) if tags else None,
        "memory_tag": int(tags["memory"], 16) if tags else None,
    }


def _variable(block: Block) -> str | None:
    """Read the line after `The buggy address belongs to the variable:`."""
    texts = [record.text for record in block.records]
    for said, following in pairwise(texts):
        if said.startswith("The buggy address belongs to the variable") and (
            found := _VARIABLE.match(following)
        ):
            return found["variable"]
    return None


def _stacks(block: Block) -> tuple[Stack, ...]:
    return tuple(stack for stack in block.body.stacks if not stack.name.startswith(_NO_STACK))


def _damage(block: Block) -> str:
    # Before 6.0 a bad free had no line of its own.
    bad_free = block.head["bug"].startswith("double-free") or block.head["bug"].endswith("invalid-free")
    said = [] if bad_free or block.find(_ACCESS) else ["no line that says what was accessed"]
    return "; ".join([*said, *filter(None, [damage_of(block)])])


def parse_kasan(block: Block) -> Kasan | None:
    """
    Read a KASAN report with the stacks of the access, of the allocation and of the release.

    Accepted format:
        BUG: KASAN: slab-out-of-bounds in poke_past_end+0x1b0/0x1d0
        Write of size 1 at addr ffff888012345140 by task insmod/101
    """
    access = _access(block)
    word = {"read": " Read", "write": " Write"}.get(str(access["access"]), "")
    function = accused(block.head["function"] or block.head["bare"], block.body)
    return build(
        Kasan,
        block,
        "kasan",
        f"KASAN: {block.head['bug']}{word}" + (f" in {function}" if function else ""),
        damage=_damage(block),
        bug=block.head["bug"],
        stacks=_stacks(block),
        **access,
        **_object(block),
    )


OPENINGS = (Opening("kasan", "BUG: KAS", HEAD, parse_kasan, own=_OWN),)
