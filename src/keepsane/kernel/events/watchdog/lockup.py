# SPDX-License-Identifier: GPL-2.0-or-later
"""
A CPU that no longer schedules (soft lockup) or no longer takes interrupts (hard lockup).

    watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [init:1]                    since 4.12
    NMI watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [pulseaudio:1580]       3.x to 4.11
    watchdog: CPU3: Watchdog detected hard LOCKUP on cpu 3                        since 4.17
    NMI watchdog: Watchdog detected hard LOCKUP on cpu 1                          3.x to 4.11
    BUG: NMI Watchdog detected LOCKUP on CPU1, ip ffffffff8103e2fa, registers:    2.6
    WARNING: CPU: 1 PID: 9 at kernel/watchdog.c:267 watchdog_overflow_callback+0x98/0xc0  up to 4.3, by WARN()

Source: kernel/watchdog.c, watchdog_timer_fn() and watchdog_hardlockup_check().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.log.block import PRELUDE, Block, Opening, build
from keepsane.kernel.log.culprit import stalled, traces
from keepsane.kernel.log.groups import task_of
from keepsane.model import Event, Frame, Kind, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Lockup(Event):
    """A CPU ran for `stuck_seconds` (None: not said) without letting the watchdog run."""

    stuck_seconds: int | None = None


SOFT = re.compile(
    r"(?:NMI )?(?:watchdog: )?BUG: soft lockup(?: detected)? ?-? ?(?:on )?CPU#(?P<cpu>\d{1,5})"
    r"(?: stuck for (?P<stuck_seconds>\d{1,9})s!)?(?: \[(?P<comm>.{1,32}):(?P<pid>\d{1,10})\])?"
)
HARD = re.compile(
    r"(?:NMI )?(?:watchdog: )?(?:CPU\d{1,20}: )?(?:BUG: )?(?:NMI )?Watchdog detected (?:hard )?LOCKUP(?: on "
    r"(?:cpu|CPU) ?(?P<cpu>\d{1,5}))?"
)

_WARNED = re.compile(
    r"WARNING: (?:CPU: (?P<cpu>\d{1,5}) )?(?:PID: \d{1,10} )?at \S{0,400}?kernel/watchdog(?:_hld)?\.c:\d{1,7}"
    r" watchdog_overflow_callback\b"
)
_MESSAGE = re.compile(r"(?=Watchdog detected hard LOCKUP)" + HARD.pattern)
"""The message of that WARN(), which stands behind its WARNING line."""


def _stuck(block: Block) -> tuple[Frame, ...]:
    """Give the stuck CPU's stack, what it was executing first; those of other CPUs follow it in the log."""
    body = block.body
    first = traces(body.stacks)[0].frames if body.stacks else ()
    return (body.ip, *first) if body.ip is not None else first


def _lockup(block: Block, kind: Kind, what: str) -> Lockup:
    said, task = task_of(block.head), block.body.task
    if task is None or (said is not None and said.pid is not None):
        task = said or Task()
    return build(Lockup, block, kind, what + stalled(_stuck(block)), task=task)


def parse_soft_lockup(block: Block) -> Lockup | None:
    """
    Read a soft lockup: kernel code ran without scheduling for twice kernel.watchdog_thresh.

    Accepted format:
        watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [init:1]
    """
    return _lockup(block, "soft-lockup", "soft lockup")


def parse_hard_lockup(block: Block) -> Lockup | None:
    """
    Read a hard lockup: a CPU took no timer interrupt for kernel.watchdog_thresh seconds.

    Accepted format:
        watchdog: CPU3: Watchdog detected hard LOCKUP on cpu 3
        Watchdog detected hard LOCKUP on cpu 1
        WARNING: CPU: 1 PID: 9 at kernel/watchdog.c:267 watchdog_overflow_callback+0x98/0xc0
    """
    return _lockup(block, "hard-lockup", "hard lockup")


_OWN = re.compile(
    r"Kernel panic - not syncing: (?:softlockup|Hard LOCKUP)|CPU#\d{1,20} Utilization every"
    r"|\s*#\d{1,20}: +\d{1,20}% (?:system|user)|Watchdog detected hard LOCKUP"
)

OPENINGS = (
    Opening("soft-lockup", SOFT, parse_soft_lockup, own=_OWN),
    # One report: the message, and the WARNING that prints it or follows it.
    Opening(
        "hard-lockup",
        _MESSAGE,
        parse_hard_lockup,
        rank=PRELUDE,
        own=_OWN,
        detail_of=frozenset({"hard-lockup"}),
    ),
    Opening("hard-lockup", _WARNED, parse_hard_lockup, rank=1, own=_OWN),
    # Up to 4.x the WARNING stood below, behind its mark.
    Opening("hard-lockup", HARD, parse_hard_lockup, rank=PRELUDE, own=_OWN),
)
