# SPDX-License-Identifier: GPL-2.0-or-later
"""Warnings whose words or whose place everybody meets sooner or later, and what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.warning.warning import Warning as KernelWarning
from keepsane.kernel.log.culprit import culprit_of, plain_name
from keepsane.kernel.log.function_names import Names
from keepsane.kernel.log.machinery import INTERRUPTS
from keepsane.kernel.log.quote import first_stack, quote, quote_head, some
from keepsane.report import Advice, Confidence, Finding


class Family(NamedTuple):
    """Warnings of one sort: their words, what is wrong, why that matters, what to do; groups fill in."""

    words: re.Pattern[str]
    title: str
    why: str
    step: str
    confidence: Confidence = "high"


_BLOCKING = re.compile(r"do not call blocking ops when !TASK_RUNNING; state=(?P<state>\w{1,8})")
_FAMILIES = (
    Family(
        re.compile(r"BOGUS urb xfer, pipe (?P<pipe>\w{1,4}) != type (?P<type>\w{1,4})"),
        "a transfer of type {pipe} was meant for a USB endpoint of type {type}",
        "The driver takes for granted which endpoints the device has, and this device has others.",
        "let the driver check the endpoint's type (usb_find_common_endpoints()) before it uses it",
    ),
    Family(
        re.compile(r"URB (?P<urb>[0-9a-fx]{1,18}) submitted while active"),
        "a USB request was submitted while it was still under way",
        "The driver sends the same request again before its completion came.",
        "see which path submits it again: a second open, a resume, a retry",
    ),
    Family(
        re.compile(r"sysfs: cannot create duplicate filename '(?P<path>[^']{1,200})'"),
        "{path} exists already in sysfs",
        "Two devices or modules want the same name: one was registered twice, or never unregistered.",
        "see who made {path} first, and whether that one was removed",
    ),
    Family(
        re.compile(r"(?P<list>\w{1,60}): (?P<rest>buffer size too small)"),
        "{list} has no room for what it was given",
        "The variables of a uevent have a fixed buffer; a device describes itself with more than fits.",
        "see which device it is: its description (key map, modalias) is unusually long, or hostile",
    ),
    Family(
        re.compile(
            r"kobject: '(?P<name>[^']{0,80})' \((?P<at>\w{1,20})\): is not initialized, "
            r"yet kobject_(?P<did>\w{1,20})\(\)"
        ),
        "kobject_{did}() on an object that was never set up, or is gone",
        "It was not initialised, or its last reference was dropped before.",
        "see who owns it: a failed registration is mostly cleaned up twice",
    ),
    Family(
        re.compile(r"Device '(?P<device>[^']{1,80})' does not have a release\(\) function"),
        "the device {device} has no release()",
        "Its memory may be freed while somebody still holds a reference.",
        "give it a release() that frees it, and free it nowhere else",
    ),
    Family(
        re.compile(
            r"workqueue: (?:PF_MEMALLOC task \S{1,60}|WQ_MEM_RECLAIM (?P<one>\S{1,80})) is flushing"
            r" !WQ_MEM_RECLAIM (?P<other>\S{1,80})"
        ),
        "work that frees memory waits for work that may need memory: {other}",
        "When memory is short, the one waited for may not get a worker, and both stand still.",
        "give the queue of {other} WQ_MEM_RECLAIM, or do not wait for it there",
    ),
    Family(
        _BLOCKING,
        "it slept while it was already on its way to sleep (state {state})",
        "The task had put itself into a sleeping state; what sleeps now puts it back to running.",
        "do the work before prepare_to_wait(), or use wait_woken()",
    ),
    Family(
        re.compile(
            r"DMA-API: (?P<what>[\w.-]{1,24} \S{1,16}: (?:device driver|mapping sg|cacheline) .{1,150})"
        ),
        "{what}",
        "The driver does not keep to the order of mapping, syncing and unmapping memory for its device.",
        "see in the driver where this mapping is made and ended",
    ),
    Family(
        re.compile(r"(?:irq|IRQ) ?(?P<irq>\d{1,6}) handler (?P<handler>\S{1,80}) enabled interrupts"),
        "the handler {handler} of interrupt {irq} switched interrupts on",
        "A handler runs with them off; another interrupt may now come in between.",
        "look in {handler} for a spin_unlock_irq() or local_irq_enable()",
    ),
    Family(
        re.compile(r"Voluntary context switch within RCU read-side critical section"),
        "a task slept inside of an RCU read-side section",
        "What it was reading may be freed meanwhile, and the grace period is wrong.",
        "look outwards in the trace for the rcu_read_lock() that was not left, or for what must not sleep",
    ),
    Family(
        re.compile(
            r"(?P<what>kernel stack (?:regs|frame pointer)) at \S{1,20} in (?P<task>\S{1,40}) has bad"
        ),
        "the unwinder could not follow the stack of {task}: no fault of what it runs",
        "The kernel looked at a stack and met a value that is no frame; traces of that task may be wrong.",
        "nothing, unless it comes often: then code without frame pointers (assembly, BPF) is on that stack",
    ),
)
"""Sources: drivers/usb/core/urb.c, fs/sysfs/dir.c, lib/kobject*.c, drivers/base/core.c, kernel/workqueue.c,
kernel/sched/core.c, kernel/dma/debug.c, kernel/irq/handle.c, kernel/rcu/tree_plugin.h, unwind_frame.c."""


_BLOCKING_IN_INTERRUPT = Family(
    _BLOCKING,
    "what may sleep was called in an interrupt or a softirq",
    "It was noticed because the interrupted task was on its way to sleep; that one does nothing wrong.",
    "let a work item do what may sleep, or use the form that does not sleep",
)
"""__might_sleep() looks at the current task first, whoever it is (kernel/sched/core.c)."""


def _in_interrupt(event: KernelWarning) -> Family:
    stack = first_stack(event)
    frames = stack.frames if stack is not None else ()
    names = (plain_name(frame.function) for frame in frames if frame.reliable and frame.function)
    inside = any(name in INTERRUPTS for name in names)
    return _BLOCKING_IN_INTERRUPT if inside else _BLOCKING_BY_TASK


_BLOCKING_BY_TASK = next(family for family in _FAMILIES if family.words is _BLOCKING)


@rule("warning-of-known-meaning", on=KernelWarning)
def warning_of_known_meaning(event: KernelWarning) -> Iterator[Finding]:
    """
    The warning's own words say what was done wrong: a USB request, a name in sysfs, a DMA mapping, a sleep.

    What it means: these checks are met by many drivers, and the words before the warning name the values: the
    types of pipe and endpoint, the name that exists twice, the device without a release().

    How we know: the message stands in the warning, in the words that the kernel gives this one check.

    What to do: as the finding says; the function of the title is the one that did it.

    When it is wrong: a device that lies about itself (a test, an attack) makes a good driver look bad.
    """
    for record in event.records:
        for family in _FAMILIES:
            found = family.words.search(record.text)
            if found is not None:
                yield _finding(event, _in_interrupt(event) if family.words is _BLOCKING else family, found)
                return


def _finding(event: KernelWarning, family: Family, found: re.Match[str]) -> Finding:
    said = {name: text or "?" for name, text in found.groupdict().items()}
    if "pipe" in said:
        said |= {name: _PIPES.get(said[name], said[name]) for name in ("pipe", "type")}
    return Finding(
        severity="warning",
        confidence=family.confidence,
        title=family.title.format(**said),
        evidence=some(quote(event, family.words) or quote_head(event)),
        explanation=family.why,
        advice=(Advice(text=family.step.format(**said)),),
    )


_PIPES = {"0": "isochronous", "1": "interrupt", "2": "control", "3": "bulk"}
"""include/uapi/linux/usb/ch9.h, PIPE_ISOCHRONOUS to PIPE_BULK of include/linux/usb.h."""
_LIMIT_FILES = ("mm/page_alloc.c", "mm/slab_common.c", "mm/util.c", "mm/slub.c")
_SIZED = Names("kmalloc* kvmalloc* kzalloc* krealloc*")
_CHECKER = Names("kmalloc_slab alloc_pages* alloc_frozen_pages* kvmalloc_node*")


@rule("size-asked-for-too-large", on=KernelWarning)
def size_asked_for_too_large(event: KernelWarning) -> Iterator[Finding]:
    """
    More memory was asked for at once than the allocator ever gives.

    What it means: no memory is short. The size was larger than the limit of kmalloc() or of an order of
    pages, so the request could not succeed on any machine, and the allocator warns about whoever made it. The
    size mostly comes from a program, a file or a packet, and was not checked.

    How we know: the check is the allocator's (mm/slab_common.c, mm/page_alloc.c, mm/util.c), and the frames
    outside of it are those of kmalloc() or a relative, which is given a size.

    What to do: check the size in the function named before the allocation, or use kvmalloc() where a large
    one is meant.

    When it is wrong: mm/page_alloc.c has other checks: of the flags of a request, of an order that may not
    fail. They are as much the caller's, but not about the size.
    """
    if not _is_allocators_check(event):
        return
    if first_stack(event) is None:
        raise CannotTell("the report does not show who asked for the memory")
    sure = _checker(event).startswith("kmalloc_slab")
    if not asks_for_too_much(event):
        return
    named = culprit_of(event)
    caller = named if named != _checker(event) else None  # the trace does not lead beyond the check
    yield Finding(
        severity="warning",
        confidence="high" if sure else "medium",
        title=f"{caller or 'somebody'} asked for more than the allocator gives at once: an unchecked size",
        evidence=some(quote_head(event, "the allocator's check")),
        explanation="No memory is short: a request of this size fails on every machine.",
        advice=(Advice(text=f"check the size in {caller or 'the caller'} before the allocation"),),
        references=("mm/slab_common.c, kmalloc_slab(); mm/page_alloc.c, __alloc_pages()",),
    )


def _checker(event: KernelWarning) -> str:
    return plain_name(event.ip.function) if event.ip is not None and event.ip.function else ""


def _is_allocators_check(event: KernelWarning) -> bool:
    checked = event.file is not None and event.file.endswith(_LIMIT_FILES)
    return checked and _checker(event) in _CHECKER


def asks_for_too_much(event: KernelWarning) -> bool:
    """Tell whether the check is the allocator's, on a size that was asked for."""
    stack = first_stack(event)
    frames = [frame for frame in stack.frames if frame.reliable and frame.function] if stack else []
    sized = any(plain_name(frame.function or "") in _SIZED for frame in frames)
    return _is_allocators_check(event) and (sized or _checker(event).startswith("kmalloc_slab"))


_SOCKETS = Names(
    "inet_sock_destruct sk_stream_kill_queues sk_destruct sock_def_destruct packet_sock_destruct"
)


@rule("socket-accounting-left-over", on=KernelWarning)
def socket_accounting_left_over(event: KernelWarning) -> Iterator[Finding]:
    """
    A socket ended while its accounts say that it still has memory.

    What it means: bytes were charged to the socket and not given back, or given back twice. The socket is
    gone, and nothing happens at once; the protocol's memory (`/proc/net/sockstat`) slowly goes wrong.

    How we know: the check is in the function that ends sockets: what was received, sent and reserved must all
    be zero there.

    What to do: look at what this socket was used for: a protocol on top (TLS, MPTCP, kTLS offload), splice,
    or a packet that was charged to another socket. Report it with the type of the socket.

    When it is wrong: only the end is seen here; the mistake was made while the socket was in use.
    """
    if _checker(event) not in _SOCKETS:
        return
    yield Finding(
        severity="warning",
        confidence="medium",
        title="a socket ended and its accounts are not zero",
        evidence=some(quote_head(event, "the check at the socket's end")),
        explanation="The mistake was made earlier, while it was in use: bytes charged and not given back.",
        advice=(_READ,),
    )


_READ = Advice(
    text="see whether sockets: mem grows",
    command="cat /proc/net/sockstat",
    undo="nothing is changed",
    verify="it lists the memory of each protocol",
)
