# SPDX-License-Identifier: GPL-2.0-or-later
"""
A network card that stopped sending.

    NETDEV WATCHDOG: eth0 (e1000e): transmit queue 0 timed out
    NETDEV WATCHDOG: CPU: 3: transmit queue 1 timed out 5016 ms        6.5 to 6.10
    e1000e 0000:00:19.0 eth0: NETDEV WATCHDOG: CPU: 3: transmit queue 0 timed out 5016 ms

Before 6.11 a WARN in dev_watchdog() follows. Source: net/sched/sch_generic.c, dev_watchdog().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

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


def parse_netdev_watchdog(block: Block) -> NetdevWatchdog | None:
    """
    Read a transmit timeout; the stack of the WARN that may follow is the timer's, not the cause's.

    Accepted format:
        NETDEV WATCHDOG: eth0 (e1000e): transmit queue 0 timed out
    """
    device = block.head["device"] or block.head["device_"]
    driver = block.head["driver"] or block.head["driver_"]
    title = "transmit timed out" + (f" on {device}" if device else "") + (f" ({driver})" if driver else "")
    return build(NetdevWatchdog, block, "netdev-watchdog", title, damage="", device=device, driver=driver)


OPENINGS = (Opening("netdev-watchdog", HEAD, parse_netdev_watchdog, rank=3),)
