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
from collections.abc import Iterator
from dataclasses import dataclass

from keepsane.judge import rule
from keepsane.kernel.events.who import particular
from keepsane.kernel.log.block import Block, Opening, build, titled
from keepsane.kernel.log.culprit import culprit, first_beyond, names, plain_name
from keepsane.kernel.log.groups import Hex, task_of
from keepsane.kernel.log.machinery import ALLOCATORS, ENTRIES, HELPERS, REPORTING
from keepsane.kernel.log.quote import matched, quote_frame, quote_head, quote_match, some
from keepsane.model import Event
from keepsane.report import Advice, Finding
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


_AGE = re.compile(
    r"\s*comm \".{0,32}?\", pid \d{1,10}, jiffies \d{1,20}(?: \(age (?P<age>\d{1,9})\.\d{1,6}s\))?"
)
_FRESH_SECONDS = 10
"""A younger object may be found again by a second scan."""


@rule("leaks-are-listed-elsewhere", on=Kmemleak)
def leaks_are_listed_elsewhere(event: Kmemleak) -> Iterator[Finding]:
    """
    Kmemleak only counts in the log what it found; the objects are in its own file.

    What it means: each object has a stack of its allocation, and is not printed because there may be many.
    The list is lost with the next boot.

    How we know: the line gives a number and the name of the file.

    What to do: read the file now, and keep it. Let kmemleak look again: what is found twice is a leak.

    When it is wrong: young objects are often found again by the next scan.
    """
    if event.count is None:
        return
    yield Finding(
        severity="note",
        confidence="high",
        title="who allocated them is not in the log, but in /sys/kernel/debug/kmemleak, until the next boot",
        evidence=some(quote_head(event)),
        explanation="The log only has their number.",
        advice=(_LIST,),
        references=("Documentation/dev-tools/kmemleak.rst",),
    )


_LIST = Advice(
    text="read the list, and keep it",
    command="sudo cat /sys/kernel/debug/kmemleak",
    undo="nothing is changed",
    verify="it shows an object with a backtrace for each leak",
)


@rule("leaked-object", on=Kmemleak)
def leaked_object(event: Kmemleak) -> Iterator[Finding]:
    """
    Nothing points to an allocated object any more: who allocated it has lost it.

    What it means: the memory is lost until the next boot. Mostly an error path returns without freeing what
    was allocated before, or the last reference to an object is never dropped.

    How we know: kmemleak looks through all memory for pointers to each object. It prints the task that
    allocated, the age of the object, and the stack of the allocation.

    What to do: follow the object from its allocation through each path that ends without its release. Let
    kmemleak look again (`echo scan > /sys/kernel/debug/kmemleak`): what is found twice is a leak.

    When it is wrong: a pointer that is kept in a register, in user space, with bits added to it, or in memory
    that kmemleak does not know is not seen. Young objects are often such: this is given less confidence.
    """
    stack = event.stacks[0] if event.stacks else None
    frame = particular(stack.frames) if stack else None
    if event.address is None or frame is None or matched(event, OVERLAP) is not None:
        return
    said = matched(event, _AGE)
    age = int(said["age"]) if said and said["age"] else None
    task = f"{event.task.comm}:{event.task.pid}" if event.task and event.task.comm else None
    old = f", {age} s before" if age is not None else ""
    yield Finding(
        severity="warning",
        confidence="low" if age is not None and age < _FRESH_SECONDS else "medium",
        title=f"allocated in {plain_name(frame.function or '')}" + (f" for {task}" if task else "") + old,
        evidence=some(
            quote_head(event),
            quote_match(event, _AGE, "for whom"),
            quote_frame(event, frame, "where"),
        ),
        explanation="No pointer to it was found: it can neither be used nor freed any more.",
        advice=(_AGAIN,),
        references=("Documentation/dev-tools/kmemleak.rst",),
    )


_AGAIN = Advice(
    text="look for a path behind this allocation that ends without the release",
    command="echo scan | sudo tee /sys/kernel/debug/kmemleak",
    undo="nothing is changed",
    verify="sudo cat /sys/kernel/debug/kmemleak lists it again",
)
