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
from keepsane.kernel.log.machinery import REPORTING
from keepsane.kernel.log.task import parse_task
from keepsane.kernel.log.trace import strip_marker
from keepsane.model import Frame, Stack

# Allocators, and wrappers that only pass a size on: the function that asked is above them.
_ALLOCATOR = re.compile(
    r"warn_alloc|\w{0,80}alloc|\w{0,80}get_free_page|kmem_|slab_|___?slab|\w{0,80}new_slab|\w{0,80}cache_\w{0,40}refill|kv?m?z?alloc"
    r"|vm_area|__page_|cache_grow|get_page_from|\w{0,80}memdup|should_fail|out_of_memory|oom_kill|dump_header"
    r"|\w{0,80}folio_|\w{0,80}page_cache|\w{0,80}page_frag|dump_|__vmalloc|fallback_|dma_direct|krealloc|unwind_backtrace"
)
_ALLOCATION = re.compile(r"warn_alloc|__alloc_pages|__alloc_frozen_pages|out_of_memory|__vmalloc")
# They make packet buffers for whoever receives or copies one.
_BUFFERS = re.compile(r"(?:__|napi_)*build_skb|__?p?skb_(?:copy|clone|expand)|p?skb_(?:copy|clone|expand)")
_INTERRUPT = re.compile(
    r"(?:asm_)?sysvec_|(?:asm_)?common_interrupt|do_IRQ|(?:smp_)?apic_timer_interrupt|__irq_svc|gic_handle_irq"
    r"|handle_IRQ|el1h?(?:_64)?_i(?:nterrupt|rq)|el0_irq|ret_from_intr|call_softirq|_?_?irq_exit|__do_softirq"
    r"|do_softirq|handle_softirqs|do_interrupt|xen_(?:hvm|evtchn)_"
)
_SOFTIRQ_THREAD = re.compile(r"run_ksoftirqd|smpboot_thread_fn|napi_threaded_poll")
_TASK_ENTRY = re.compile(
    r"entry_SYSCALL|ret_from_fork|system_call|sysenter|el0_svc|ret_fast_syscall|kthread$"
    r"|retint_user|prepare_exit_to_usermode|exit_to_user_mode|asm_exc_page_fault|page_fault$"
)
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
    frames = _from_allocation([one for stack in _stacks(block) for one in stack.frames if one.function])
    frames = [frame for frame in frames if frame.reliable] or frames
    beyond = [frame for frame in frames if not _passed_over(frame.function or "")]
    # A driver's function may be named like an allocator: what lies above the kernel's own frame is it then.
    named = [frame for frame in frames[: frames.index(beyond[0])] if frame.module] if beyond else []
    if named and not beyond[0].module:
        return named[-1]
    return next(
        (frame for frame in beyond if not _BUFFERS.match(frame.function or "")), next(iter(beyond), None)
    )


def frames_of_request(stacks: tuple[Stack, ...]) -> tuple[Frame, ...]:
    """
    Give the reliable frames of a request, from the allocator outwards.

    An interrupt ends them: what it interrupted asked for nothing.
    """
    frames = _from_allocation([one for stack in _through(stacks) for one in stack.frames if one.function])
    own = takewhile(lambda frame: not _INTERRUPT.match(frame.function or ""), frames)
    return tuple(frame for frame in own if frame.reliable)


def _stacks(block: Block) -> tuple[Stack, ...]:
    return _through(block.body.stacks)


def _through(stacks: tuple[Stack, ...]) -> tuple[Stack, ...]:
    """Give the stacks that pass through the allocator: another CPU's report may stand between them."""
    return tuple(stack for stack in stacks if any(map(_is_allocation, stack.frames))) or stacks


def _from_allocation(frames: list[Frame]) -> list[Frame]:
    """Cut off what stands above the allocator: leftovers of an interrupt on the stack."""
    return list(dropwhile(lambda frame: not _is_allocation(frame), frames)) or frames


def _is_allocation(frame: Frame) -> bool:
    return frame.function is not None and _ALLOCATION.match(frame.function) is not None


def _passed_over(function: str) -> bool:
    return function in REPORTING or _ALLOCATOR.match(function) is not None


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
    frames = [frame for stack in _stacks(block) for frame in stack.frames]
    outer = list(dropwhile(lambda frame: frame is not asked, frames))
    names = [frame.function or "" for frame in outer if frame.reliable] or [
        one.function or "" for one in outer
    ]
    if any(_SOFTIRQ_THREAD.match(name) for name in names):
        return False
    if _marked(block, asked.line) or any(map(_INTERRUPT.match, names)):
        return True
    return False if any(map(_TASK_ENTRY.match, names)) else None


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
    tasks = (parse_task(one.text) for one in block.records if "omm: " in one.text)
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
