# SPDX-License-Identifier: GPL-2.0-or-later
"""
An interrupt that no handler took for its own, until the kernel switched the line off.

    irq 16: nobody cared (try booting with the "irqpoll" option)
    CPU: 0 PID: 0 Comm: swapper/0 Not tainted 6.1.9 #1
    Call Trace:
    handlers:
    [<00000000f1a2b3c4>] usb_hcd_irq [usbcore]
    [<00000000f1a2b3c5>] widget_irq [crashme] threaded [<00000000f1a2b3c6>] widget_thread [crashme]
    Disabling IRQ #16

Source: kernel/irq/spurious.c, __report_bad_irq() and note_interrupt().
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from keepsane.judge import rule
from keepsane.kernel.log.block import Block, Opening, build, titled
from keepsane.kernel.log.culprit import beyond, culprit, traces
from keepsane.kernel.log.quote import quote, quote_head, some
from keepsane.model import Event
from keepsane.report import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class IrqNobodyCared(Event):
    """
    Interrupt `irq` came again and again and no handler took it.

    `handlers` are those that were asked, with their modules: `usb_hcd_irq [usbcore]`. `disabled` is True
    where the kernel says that it switched the line off.
    """

    irq: int
    handlers: tuple[str, ...] = ()
    disabled: bool = False


HEAD = re.compile(r"irq (?P<irq>\d{1,6}): nobody cared")
_HANDLER = re.compile(
    r"\s*\[<[0-9a-fx]{1,18}>\] \(?(?P<handler>[A-Za-z_][\w.]{0,255})\)?(?:\+0x\w{1,8}/0x\w{1,8})?"
    r"(?P<module> \[[\w-]{1,64}\])?(?: threaded \[|\s*+$)"
)
_DISABLED = re.compile(r"Disabling IRQ #(?P<irq>\d{1,6})")
_OWN = re.compile(r"handlers:|Disabling IRQ #\d|" + _HANDLER.pattern)


def parse_irq(block: Block) -> IrqNobodyCared | None:
    """
    Read an interrupt that nobody cared for.

    Accepted format:
        irq 16: nobody cared (try booting with the "irqpoll" option)
    """
    disabled = block.find(_DISABLED) is not None
    return build(
        IrqNobodyCared,
        block,
        "irq-nobody-cared",
        f"interrupt {block.head['irq']}: nobody cared",
        damage=("" if block.body.stacks else "no call trace") if disabled else None,
        handlers=_handlers(block),
        disabled=disabled,
    )


def _handlers(block: Block) -> tuple[str, ...]:
    """Give the lines below `handlers:`; a stack of old kernels above it looks the same."""
    texts = [record.text.strip() for record in block.records]
    below = texts[texts.index("handlers:") + 1 :] if "handlers:" in texts else []
    found = (_HANDLER.match(text) for text in below)
    return tuple(f"{match['handler']}{match['module'] or ''}" for match in found if match)


MISMATCH = re.compile(
    r"(?:genirq: )?Flags mismatch irq (?P<irq>\d{1,6})\. [0-9a-f]{8} \((?P<name>[^()]{0,64})\) vs\. "
    r"[0-9a-f]{8} \((?P<held_by>[^()]{0,64})\)"
)
_REQUESTS = frozenset({"__setup_irq", "setup_irq", "request_threaded_irq", "request_irq"})


def parse_mismatch(block: Block) -> Event | None:
    """
    Read a request for an interrupt line that another driver holds in another way.

    Accepted format:
        genirq: Flags mismatch irq 16. 00000080 (widget) vs. 00000000 (gadget)

    Source: kernel/irq/manage.c, __setup_irq(). A stack follows only where the caller did not allow a failure.
    """
    head = block.head
    what = f"{head['name']} cannot share interrupt {head['irq']} with {head['held_by']}"
    stacks = beyond(traces(block.body.stacks), _REQUESTS)
    return build(Event, block, "other", titled(what, culprit(block.body, stacks=stacks)), damage="")


OPENINGS = (
    Opening("irq", HEAD, parse_irq, own=_OWN),
    Opening("irq-mismatch", MISMATCH, parse_mismatch, rank=3),
)


@rule("interrupt-nobody-cared", on=IrqNobodyCared)
def interrupt_nobody_cared(event: IrqNobodyCared) -> Iterator[Finding]:
    """
    An interrupt line was switched off, because it kept on firing and no driver said that it was its device.

    What it means: of 100,000 interrupts on this line nearly all were refused by every handler. The kernel
    switches such a line off, since it would do nothing else any more; all devices on it then work slowly or
    not at all.

    How we know: the kernel counts the interrupts that no handler took and says so. Below `handlers:` it lists
    all that were asked, and `Disabling IRQ` says that the line is off.

    What to do: one of the devices on this line raises interrupts that its driver does not see as its own, or
    a device without a driver does. `/proc/interrupts` and `lspci -v` say which share it. Update that driver
    or the firmware, or let the device use MSI. `irqpoll` keeps such a machine alive, slowly.

    When it is wrong: where a driver is slow to load or was unloaded a moment ago, one burst may do it; after
    a restart it does not come again.
    """
    asked = ", ".join(event.handlers)
    off = (
        f"interrupt {event.irq} was switched off" if event.disabled else f"interrupt {event.irq} has no taker"
    )
    yield Finding(
        severity="error" if event.disabled else "warning",
        confidence="high",
        title=f"{off}: " + (f"{asked} did not take it" if asked else "no handler took it"),
        evidence=some(
            quote_head(event),
            quote(event, re.compile("^handlers:"), "who was asked stands below"),
            quote(event, _DISABLED, "the line is off now"),
        ),
        explanation="A device raised it, and no driver on the line said that it was its own."
        + (" Every device on that line is without interrupts now." if event.disabled else ""),
        references=("kernel/irq/spurious.c, note_interrupt()",),
    )
