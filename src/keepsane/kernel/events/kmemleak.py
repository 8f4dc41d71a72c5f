# SPDX-License-Identifier: GPL-2.0-or-later
"""
kmemleak: memory that nothing points to any more.

    BUG: memory leak
    unreferenced object 0xffff8882d78c9ea0 (size 96):
      comm "insmod", pid 101, jiffies 4294941388 (age 27.984s)
      hex dump (first 32 bytes):
      backtrace (crc c9a1c131):
    kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)
    kmemleak: Cannot insert 0xffff888012345678 into the object search tree (overlaps existing)

Source: mm/kmemleak.c, print_unreferenced() and __link_object(). `BUG: memory leak` is a line that test
programs add.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.log.block import Block, Opening, build, titled
from keepsane.kernel.log.culprit import culprit, first_beyond, names
from keepsane.kernel.log.groups import Hex, task_of
from keepsane.kernel.log.machinery import ALLOCATORS, ENTRIES, HELPERS, REPORTING
from keepsane.model import Event
from keepsane.words import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Kmemleak(Event):
    """
    An object of `size_bytes` at `address` that is allocated and unreachable.

    `count` is the number of leaks where the kernel only says how many there are.
    """

    address: Hex | None = None
    size_bytes: int | None = None
    count: int | None = None


OBJECT = re.compile(
    r"unreferenced object (?:\(percpu\) )?0x(?P<address>[0-9a-f]{1,16})"
    r"(?: \(size (?P<size_bytes>\d{1,20})\))?"
)
COUNT = re.compile(r"(?:kmemleak: )?(?P<count>\d{1,10}) new suspected memory leaks")
_TASK = re.compile(r"\s*comm \"(?P<comm>.{0,32}?)\", pid (?P<pid>\d{1,10})")
_OWN = re.compile(
    r"\s*comm \"|\s*hex dump \(|\s++(?:[0-9a-f]{2} ){2,16}|\s*backtrace(?: \(crc [0-9a-f]+\))?:"
    r"|unreferenced object .{0,20}$|\s*\.\.\."
)


def parse_object(block: Block) -> Kmemleak | None:
    """
    Read one unreferenced object with the stack of its allocation; `task` is who allocated it.

    Accepted format:
        unreferenced object 0xffff8882d78c9ea0 (size 96):
    """
    head = block.find(OBJECT)
    size = f" of {head['size_bytes']} bytes" if head and head["size_bytes"] else ""
    frames = names(frame for stack in block.body.stacks for frame in stack.frames)
    function = first_beyond(frames, REPORTING, HELPERS, ENTRIES, ALLOCATORS) or culprit(block.body)
    return build(
        Kmemleak,
        block,
        "kmemleak",
        titled(f"memory leak{size}", function),
        head,
        task=task_of(block.find(_TASK)) or block.body.task,
    )


def parse_count(block: Block) -> Kmemleak | None:
    """Read the line that only counts: `kmemleak: 3 new suspected memory leaks (see ...)`."""
    count = int(block.head["count"])
    title = counted(count, "suspected memory leak")
    return build(Kmemleak, block, "kmemleak", title, damage="")


def parse_overlap(block: Block) -> Kmemleak | None:
    """
    Read memory that was handed out twice, or never said to be free; kmemleak gives up then.

    Accepted format:
        kmemleak: Cannot insert 0xffff888012345678 into the object search tree (overlaps existing)
    """
    frames = names(frame for stack in block.body.stacks for frame in stack.frames)
    function = first_beyond(frames, REPORTING, HELPERS, ENTRIES, ALLOCATORS) or culprit(block.body)
    what = "an object overlaps one that kmemleak knows"
    return build(Kmemleak, block, "kmemleak", titled(what, function), block.find(_KNOWN_OBJECT))


OVERLAP = re.compile(
    r"kmemleak: Cannot insert (?:0x)?(?P<address>[0-9a-f]{4,16}) into the object search tree"
)
_KNOWN_OBJECT = re.compile(r"kmemleak: Object .{1,40} \(size (?P<size_bytes>\d{1,20})\)")
OPENINGS = (
    Opening("kmemleak-overlap", OVERLAP, parse_overlap, own=re.compile(r"kmemleak: ")),
    Opening("memory-leak", re.compile(r"BUG: memory leak\s*+$"), parse_object, rank=3, own=_OWN),
    Opening("unreferenced-object", OBJECT, parse_object, own=_OWN),
    Opening("kmemleak-count", COUNT, parse_count, rank=0),
)
