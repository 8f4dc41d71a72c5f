# SPDX-License-Identifier: GPL-2.0-or-later
"""
A network card that stopped sending.

    NETDEV WATCHDOG: eth0 (e1000e): transmit queue 0 timed out
    NETDEV WATCHDOG: CPU: 3: transmit queue 1 timed out 5016 ms        6.5 to 6.10
    e1000e 0000:00:19.0 eth0: NETDEV WATCHDOG: CPU: 3: transmit queue 0 timed out 5016 ms

Before 6.11 it is the message of a WARN in dev_watchdog(), which stands before it on kernels up to 5.2 and
behind it on later ones. Source: net/sched/sch_generic.c, dev_watchdog().
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from keepsane.judge import rule
from keepsane.kernel.events.warning import warning
from keepsane.kernel.log.block import Block, Opening, build
from keepsane.kernel.log.quote import quote_match, some
from keepsane.model import Event
from keepsane.report import Advice, Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class NetdevWatchdog(Event):
    """Transmit queue `queue` of `device`, driven by `driver`, finished nothing within the watchdog's time."""

    device: str | None = None
    driver: str | None = None
    queue: int | None = None
    timed_out_ms: int | None = None


HEAD = re.compile(
    r"(?:(?P<driver_>[\w-]{1,32}) \S{1,64} (?P<device_>\S{1,32}?)(?: \(\w+\))?: )?NETDEV WATCHDOG: "
    r"(?:CPU: \d{1,20}: )?"
    r"(?:(?P<device>\S{1,32}) \((?P<driver>[^)]{0,32})\): )?transmit (?:queue "
    r"(?P<queue>\d{1,5}) )?timed out(?: (?P<timed_out_ms>\d{1,9}) ms)?"
)

WARNING = re.compile(r"(?=.{0,120}net/sched/sch_generic\.c:\d{1,5}\]? dev_watchdog\+)" + warning.HEAD.pattern)


def parse_warned(block: Block) -> Event | None:
    """
    Read the WARN that is told before its message; where that is cut off it is a warning like any other.

    Accepted format:
        WARNING: CPU: 1 PID: 0 at net/sched/sch_generic.c:316 dev_watchdog+0x24f/0x260()
    """
    said = block.find(HEAD)
    return _timeout(block, said) if said is not None else warning.parse_warning(block)


def parse_netdev_watchdog(block: Block) -> NetdevWatchdog | None:
    """
    Read a transmit timeout; the stack of the WARN that may follow is the timer's, not the cause's.

    Accepted format:
        NETDEV WATCHDOG: eth0 (e1000e): transmit queue 0 timed out
    """
    return _timeout(block, block.head)


def _timeout(block: Block, said: re.Match[str]) -> NetdevWatchdog:
    device = said["device"] or said["device_"]
    driver = said["driver"] or said["driver_"]
    title = "transmit timed out" + (f" on {device}" if device else "") + (f" ({driver})" if driver else "")
    return build(
        NetdevWatchdog, block, "netdev-watchdog", title, said, damage="", device=device, driver=driver
    )


OPENINGS = (
    Opening("netdev-watchdog", HEAD, parse_netdev_watchdog, rank=3, detail_of=frozenset({"netdev-warning"})),
    Opening("netdev-warning", WARNING, parse_warned, own=HEAD),
)


@rule("transmit-queue-stuck", on=NetdevWatchdog)
def transmit_queue_stuck(event: NetdevWatchdog) -> Iterator[Finding]:
    """
    A network card did not send for seconds although packets wait in its queue.

    What it means: the driver stopped the queue because it was full, and no interrupt of the card said that
    something was sent. The driver is now asked to reset the card. The function in the stack below is the
    timer that noticed, not the cause.

    How we know: the network's watchdog looks at each stopped queue and prints the device, the driver, the
    queue, and since 6.2 for how long.

    What to do: see whether the link went down at that time (`ethtool`), whether the card's interrupts arrive
    (`/proc/interrupts`), and for PCIe errors before. Then firmware and driver of the card. If only one queue
    is concerned, look at where its interrupt is bound.

    When it is wrong: a CPU that takes no interrupts for long (a lockup, a debugger, a paused virtual machine)
    delays the card's interrupt too.
    """
    queue = f"queue {event.queue}" if event.queue is not None else "its queue"
    card = f"{event.device} ({event.driver})" if event.device and event.driver else event.device or "a card"
    long = f" for {event.timed_out_ms} ms" if event.timed_out_ms is not None else ""
    yield Finding(
        severity="warning",
        confidence="high",
        title=f"{card} sent nothing from {queue}{long}: the driver must reset it",
        evidence=some(quote_match(event, HEAD)),
        explanation="The trace is that of the timer that noticed; the cause is the card, its driver or link.",
        advice=(
            Advice(
                text="see whether the interrupts of the card still arrive",
                command="grep -E 'CPU|eth|en' /proc/interrupts",
                undo="nothing is changed",
                verify="the numbers of the card's lines grow from one call to the next",
            ),
        ),
        references=("net/sched/sch_generic.c, dev_watchdog()",),
    )
