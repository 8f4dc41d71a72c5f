# SPDX-License-Identifier: GPL-2.0-or-later
"""
The kernel gave up: panic().

    Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009
    Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: udp4_lib_lookup2+0x7ea/0x7f0
    Kernel panic - not syncing: corrupted stack end detected inside scheduler
    Kernel panic - not syncing: hung_task: blocked tasks
    Kernel panic - not syncing: panic_on_warn set ...
    Kernel panic: CPU context corrupt                                                 up to 2.6

Source: kernel/panic.c, vpanic(); init/do_mounts.c, mount_root_generic().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.log.block import PRELUDE, Block, Opening, build, titled
from keepsane.kernel.log.culprit import culprit, plain_name, runs_in, traces
from keepsane.model import Event

_NAMED = re.compile(r".*?\bcorrupted in: (?P<function>[A-Za-z_][\w.]{1,255})")
_STACK_END = "corrupted stack end detected"
_SERROR = "Asynchronous SError Interrupt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panic(Event):
    """The machine stopped on purpose; `reason` is the kernel's own sentence."""

    reason: str


def _function(block: Block, reason: str) -> str | None:
    """Name a function only where the panic is about one; else its reason says more than its stack."""
    named = _NAMED.match(reason)
    if named is not None:
        address = re.fullmatch(r"[0-9a-f]{8,16}", named["function"])
        return culprit(block.body) if address else plain_name(named["function"])
    if reason == _SERROR:
        return culprit(block.body)  # a bus told the processor: where it was is all there is
    if not reason.startswith(_STACK_END):
        return None
    stacks = traces(block.body.stacks)
    return (runs_in(stacks[0].frames) if stacks else None) or culprit(block.body)


def _reason(said: str) -> str:
    """Leave out the end of `---[ end Kernel panic` whose front is cut, and a line glued to this one."""
    glued = _GLUED.search(said)
    return said[: glued.start() if glued else None].strip().removesuffix("]---").rstrip()


def parse_panic(block: Block) -> Panic | None:
    """
    Read a panic; it often ends a report that stands before it, and then has no stack of its own.

    Accepted format:
        Kernel panic - not syncing: sysrq triggered crash
    """
    reason = _reason(block.head["reason"])
    said = reason.partition(" in:")[0].removesuffix(" inside scheduler").removeprefix("stack-protector: ")
    title = titled(f"panic: {said}" if said else "panic", _function(block, reason))
    return build(Panic, block, "panic", title, damage="", reason=reason)


def parse_root(block: Block) -> None:
    """
    Read nothing: these lines belong to the panic that follows.

    Accepted format:
        VFS: Cannot open root device "sda1" or unknown-block(0,0): error -6
        List of all partitions:
    """


def parse_asked(block: Block) -> None:
    """
    Read nothing: the crash that was asked for follows, as a panic or up to 5.x as an access to NULL.

    Accepted format:
        sysrq: Trigger a crash
        SysRq : Trigger a crashdump                                                      2.6
    """


_GLUED = re.compile(r" CPU: \d{1,5} (?:UID: \d{1,10} )?PID: \d")
HEAD = re.compile(r"Kernel panic(?: - not syncing:?|:) ?(?P<reason>.*)")
CANNOT_OPEN = re.compile(
    r'VFS: Cannot open root device "(?P<name>[^"]{0,200})" or .{1,40}: error -?(?P<error>\d{1,4})'
)
_ROOT = re.compile(
    r"VFS: Cannot open root device|List of all partitions:|No filesystem could mount root, tried"
)
_PARTITION = re.compile(
    r"\s*(?:[0-9a-f]{4}\s{1,20}\d{1,20} |driver: |\(driver\?\)|No filesystem could mount"
    r"|Please append a correct|List of all (?:partitions|bdev filesystems))"
)
ASKED = re.compile(r"(?:sysrq: )?(?:SysRq : )?Trigger a crash(?:dump)?\s*+$")
# Rank 0: a panic before any stack is the end of the report it stands in (panic_on_warn), not a new one.
OPENINGS = (
    Opening("panic", HEAD, parse_panic, rank=0),
    Opening("crash-asked-for", ASKED, parse_asked, rank=PRELUDE),
    Opening(
        "root-device", _ROOT, parse_root, rank=PRELUDE, own=_PARTITION, detail_of=frozenset({"root-device"})
    ),
)
