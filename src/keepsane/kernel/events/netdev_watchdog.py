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
from dataclasses import dataclass

from keepsane.kernel.events.warning import warning
from keepsane.kernel.log.block import Block, Opening, build
from keepsane.model import Event


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
