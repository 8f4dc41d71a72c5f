# SPDX-License-Identifier: GPL-2.0-or-later
"""
Who asked for the memory: the first frame beyond the allocator, and whether it was the task's own request.

    <IRQ>  [<ffffffff810a2411>] warn_alloc_failed+0xe1/0x130
     [<ffffffff8130d9d2>] __netdev_alloc_skb+0x82/0xe0
     [<ffffffffa00225b7>] virtnet_poll+0x1d7/0x610 [virtio_net]      asked, in an interrupt of `cat`
"""

from __future__ import annotations

import re
from itertools import dropwhile, takewhile

from keepsane.kernel.log.block import Block
from keepsane.kernel.log.culprit import own_name
from keepsane.kernel.log.function_names import Names
from keepsane.kernel.log.machinery import (
    ALLOCATIONS,
    BUFFER_MAKERS,
    INTERRUPTS,
    PAGE_ALLOCATORS,
    REPORTING,
    SOFTIRQ_THREADS,
    TASK_ENTRIES,
)
from keepsane.kernel.log.task import parse_task
from keepsane.kernel.log.trace import strip_marker
from keepsane.model import Frame, Stack

_ELISION = re.compile(r"\s*\.{3,}\s*+$")
_CALL_TRACE = re.compile(r"\s*[Cc]all [Tt]race:")


def requester(block: Block) -> Frame | None:
    """
    Give the frame that asked for the memory: the first reliable one beyond the allocator.

    Where no frame is reliable the others count; None where the stack ends inside the allocator, or where
    lines of another CPU are mixed in.
    """
    if is_mixed(block):
        return None
    frames = _from_allocation(_called(_through(block.body.stacks)))
    frames = [frame for frame in frames if frame.reliable] or frames
    beyond = [frame for frame in frames if not _is(frame, REPORTING, PAGE_ALLOCATORS)]
    return _named_like_one(frames, beyond) or next(
        (frame for frame in beyond if not _is(frame, BUFFER_MAKERS)), next(iter(beyond), None)
    )


def _named_like_one(frames: list[Frame], beyond: list[Frame]) -> Frame | None:
    """
    Give a driver's function that is only named like an allocator; a module's that serves others is none.

    Where the kernel's own frame called it, or its own module, it asked: `widget_alloc_ring [widget]` below
    `widget_open [widget]`, but not `ttm_pool_alloc [ttm]` below that.
    """
    named = [frame for frame in frames[: frames.index(beyond[0])] if frame.module] if beyond else []
    if named and not beyond[0].module:
        return named[-1]
    return next((frame for frame in named if frame.module == beyond[0].module), None)


def frames_of_request(stacks: tuple[Stack, ...]) -> tuple[Frame, ...]:
    """
    Give the reliable frames of a request, from the allocator outwards.

    An interrupt ends them: what it interrupted asked for nothing.
    """
    frames = _from_allocation(_called(_through(stacks)))
    own = takewhile(lambda frame: not _is(frame, INTERRUPTS), frames)
    return tuple(frame for frame in own if frame.reliable)


def _called(stacks: tuple[Stack, ...]) -> list[Frame]:
    return [frame for stack in stacks for frame in stack.frames if frame.function]


def _through(stacks: tuple[Stack, ...]) -> tuple[Stack, ...]:
    """Give the stacks that pass through the allocator: another CPU's report may stand between them."""
    return tuple(stack for stack in stacks if any(map(_allocates, stack.frames))) or stacks


def _from_allocation(frames: list[Frame]) -> list[Frame]:
    """Cut off what stands above the allocator: leftovers of an interrupt on the stack."""
    return list(dropwhile(lambda frame: not _allocates(frame), frames)) or frames


def _allocates(frame: Frame) -> bool:
    return _is(frame, ALLOCATIONS)


def _is(frame: Frame, *lists: Names) -> bool:
    name = own_name(frame.function or "", frame.module)
    return any(name in listed for listed in lists)


def in_interrupt(block: Block, asked: Frame | None) -> bool | None:
    """
    Tell whether the request was made in an interrupt or softirq, so that the task was only interrupted.

    None where the stack does not show it or is mixed with another CPU's. A softirq in a thread of its own
    (ksoftirqd) interrupts nobody.
    """
    if is_mixed(block):
        return None
    if asked is None:
        return _marked(block, None)
    outer = list(dropwhile(lambda frame: frame is not asked, _called(_through(block.body.stacks))))
    outer = [frame for frame in outer if frame.reliable] or outer
    if any(_is(frame, SOFTIRQ_THREADS) for frame in outer):
        return False
    if _marked(block, asked.line) or any(_is(frame, INTERRUPTS) for frame in outer):
        return True
    return False if any(_is(frame, TASK_ENTRIES) for frame in outer) else None


def _marked(block: Block, line: int | None) -> bool | None:
    """Tell whether <IRQ> stands above a line and is not closed before it."""
    inside: bool | None = None
    for record in block.records:
        if line is not None and record.line > line:
            break
        marker = strip_marker(record.text)[0]
        if marker is not None and marker.strip("</>") in ("IRQ", "SOFTIRQ", "EOI"):
            inside = marker in ("<IRQ>", "<SOFTIRQ>") or (inside and line is None)
    return inside or None


def has_two_tasks(block: Block) -> bool:
    """Tell whether lines of two tasks say who ran: then a part of the block belongs to another report."""
    tasks = (parse_task(record.text) for record in block.records if "omm: " in record.text)
    return len({task.pid for task in tasks if task is not None}) > 1


def is_mixed(block: Block) -> bool:
    """
    Tell whether the frames are another CPU's: they stand above `Call Trace:`, or it is missing above them.

    Traces without that line have the address before the name (2.6 on i386, 32-bit ARM) or `from` after it.
    """
    texts = {record.line: record.text for record in block.records}
    headed = [
        line
        for line, text in texts.items()
        if line > block.head_record.line and "race:" in text and _CALL_TRACE.match(text)
    ]
    frames = [frame for stack in block.body.stacks for frame in stack.frames if frame.role != "ip"]
    first = min((frame.line for frame in frames), default=None)
    if first is None or first <= block.head_record.line:
        return False
    if headed:
        return first < headed[0]
    if any(_ELISION.match(texts[line]) for line in texts if line < first):
        return False
    text = texts.get(first, "")
    return not ("[<" in text or " from " in text)
