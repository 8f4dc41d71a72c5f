# SPDX-License-Identifier: GPL-2.0-or-later
"""An access that a bus or a device did not answer."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.trap import CpuTrap
from keepsane.kernel.log.culprit import plain_name
from keepsane.kernel.log.function_names import Names
from keepsane.kernel.log.quote import first_stack, quote_frame, quote_head, some
from keepsane.model import Frame
from keepsane.report import Advice, Finding

_REFUSED = re.compile(r".{0,40}?(?:external abort|access fault|[Bb]us error)")
_REGISTERS = Names("*read(b|w|l|q) *write(b|w|l|q) logic_(in|out)* io_serial_* ioread* iowrite* regmap_*")
_INNERMOST = 3


@rule("bus-did-not-answer", on=CpuTrap)
def bus_did_not_answer(event: CpuTrap) -> Iterator[Finding]:
    """
    An access went out to a bus or a device, and nobody answered it.

    What it means: the address is mapped, so the page tables are right, but what is behind it does not exist,
    is switched off (no clock, no power, in reset), or refuses this sort of access. On machines without I/O
    ports a driver that looks for an old device at a fixed port ends so too.

    How we know: the processor reports an external abort, a bus error or an access fault, which are not faults
    of the page tables. Where the innermost functions read or write a device's registers, it was a device.

    What to do: see whether the device's clock and power are on at that moment (runtime power management,
    suspend), and whether the device tree gives the right address. Leave out a driver of an old device.

    When it is wrong: memory with an uncorrectable error answers in the same way on some machines.
    """
    if event.kind != "bus-error" or not _REFUSED.match(event.trap):
        return
    stack = first_stack(event)
    frames = [event.ip] if event.ip is not None and event.ip.function else []
    frames += [one for one in stack.frames if one.reliable and one.function] if stack else []
    if not frames:
        raise CannotTell("the report is cut before it shows which function made the access")
    device = next((one for one in frames[:_INNERMOST] if _of_device(one)), None)
    yield Finding(
        severity="error",
        confidence="medium" if device is not None else "low",
        title="a device did not answer a read or write of its registers"
        if device is not None
        else "the bus did not answer: no memory and no device is behind the address",
        evidence=some(
            quote_head(event, "what the processor reports"),
            quote_frame(event, device, "it reads or writes registers") if device is not None else None,
        ),
        explanation="The page tables are right; what is behind them is off, in reset, or does not exist.",
        advice=(Advice(text="see whether the clock and the power of the device are on at that moment"),),
    )


def _of_device(frame: Frame) -> bool:
    return plain_name(frame.function or "") in _REGISTERS
