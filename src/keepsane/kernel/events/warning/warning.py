# SPDX-License-Identifier: GPL-2.0-or-later
"""
WARN() and its relatives.

    ------------[ cut here ]------------
    crashme: widget 4 is out of shape
    WARNING: CPU: 0 PID: 1 at /build/crashme/crashme.c:81 do_warn+0x1a/0x30 [crashme]
    WARNING: net/mac80211/tx.c:5024 at __ieee80211_beacon_get+0x125d/0x1630, CPU#1: syz.9.803/11907    6.19
    WARNING: [refs < 0] drivers/widget.c:70 at widget_put+0x1d/0x30, CPU#1: insmod/77    6.19
    WARNING: at mm/page_alloc.c:2204 __alloc_pages_nodemask+0x231/0x8f0()                              3.x

Source: kernel/panic.c, __warn(); lib/bug.c, __report_bug().
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile

from keepsane.kernel.log.block import PRELUDE, Block, Opening, build, titled
from keepsane.kernel.log.culprit import culprit, is_machinery, plain_name
from keepsane.kernel.log.groups import task_of
from keepsane.kernel.log.machinery import REPORTING
from keepsane.kernel.log.module_list import LISTED
from keepsane.kernel.log.trace import MODULE, SYMBOL, symbol_frame
from keepsane.model import Event, Frame, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Warning(Event):
    """A condition the code calls impossible came true; `message` is what the code said about it."""

    file: str | None = None
    source_line: int | None = None
    message: str | None = None


HEAD = re.compile(
    r"WARNING: (?:CPU: (?P<cpu>\d{1,5}) )?(?:PID: (?:(?P<pid>\d{1,10})|-\d{1,10}) )?"
    r"(?:at (?:\[(?P<condition>.{1,200}?)\] )?(?P<file>[^\s:]{1,1024}):(?P<source_line>\d{1,7})"
    r"|(?:\[(?P<condition_>.{1,200}?)\] )?(?P<file_>[^\s:]{1,1024}):(?P<source_line_>\d{1,7}) at)"
    r"(?:,? "
    + SYMBOL
    + MODULE
    + r"| 0x[0-9a-f]+)?(?:\(\))?(?:, CPU#(?P<cpu_>\d{1,5}): (?P<comm>.{1,32})/(?P<pid_>\d{1,10}))?"
)


def _message(block: Block) -> str | None:
    """Give the lines between `cut here` and the WARNING line, or those behind it on kernels before 5.3."""
    before = [record.text for record in takewhile(lambda one: one is not block.head_record, block.records)]
    said = [
        text.strip()
        for text in before
        if text.strip() and "cut here" not in text and not text.startswith("===")
    ] or _said_behind(block)
    condition = block.head["condition"] or block.head["condition_"]
    return "\n".join([condition, *said] if condition else said)[:1000] or None


def _said_behind(block: Block) -> list[str]:
    """
    Give what stands between the WARNING line and the list of modules; nothing where the list is not there.

    Source: kernel/panic.c, __warn() up to 5.2.
    """
    if (release := _RELEASE.match(block.body.release or "")) and tuple(map(int, release.groups())) >= _FIRST:
        return []
    behind = [record.text for record in block.behind_head]
    ends = (at for at, text in enumerate(behind[:_MOST_SAID]) if text.startswith(LISTED))
    said = behind[: next(ends, 0)]
    return [text.strip() for text in said if text.strip() and not text.startswith("Hardware name:")]


_RELEASE = re.compile(r"(\d{1,3})\.(\d{1,4})")
_FIRST = (5, 3)
"""The first release that prints the message before the WARNING line."""
_MOST_SAID = 8


def _task(block: Block) -> Task | None:
    seen = block.body.task
    return seen if seen is not None and seen.comm is not None else task_of(block.head) or Task()


def warned_at(block: Block) -> Frame | None:
    """Give the place of the check, from `RIP:` or else from the headline."""
    if block.body.ip is not None and block.body.ip.function:
        return block.body.ip
    return symbol_frame(block.head, block.head_record.line, "ip") if block.head["function"] else None


def warned_in(block: Block) -> str | None:
    """Name the function with the check, or its caller where the check belongs to a general helper."""
    said = block.head["function"]
    if said and not is_machinery(said, block.head["module"]):
        return plain_name(said)
    found = culprit(block.body)
    return found if found and found not in REPORTING else plain_name(said) if said else None


def parse_stack_pointer(block: Block) -> Warning | None:
    """
    Read the unwinder's complaint about a stack it cannot follow; it has no call trace.

    Accepted format:
        WARNING: kernel stack frame pointer at ffff88003e1f7f40 in migration/1:14 has bad value 0
    Source: arch/x86/kernel/unwind_frame.c, unwind_next_frame().
    """
    title, said = f"kernel {block.head['what']} has a bad value", block.head_record.text
    return build(Warning, block, "warning", title, damage="", task=task_of(block.head), message=said)


def parse_warning(block: Block) -> Warning | None:
    """
    Read a WARN(), WARN_ON() or their _ONCE forms.

    Accepted format:
        WARNING: CPU: 0 PID: 1 at kernel/softirq.c:152 __local_bh_enable_ip+0x4f/0x60

    The function named is the one that holds the check, its helpers passed over.
    """
    return build(
        Warning,
        block,
        "warning",
        titled("warning", warned_in(block)),
        needs_end=True,
        task=_task(block),
        ip=warned_at(block),
        message=_message(block),
    )


def parse_spanning(block: Block) -> None:
    """
    Read nothing: the line is the message of the warning that follows.

    Accepted format:
        memcpy: detected field-spanning write (size 5) of single field "&pot->lid" at fs/widget.c:567 (size 3)
    Source: include/linux/fortify-string.h, __fortify_memcpy_chk().
    """


_SPANNING = re.compile(r"\w{1,24}: detected field-spanning write \(size ")
BAD_STACK = re.compile(
    r"WARNING: (?:kernel|can't"
    r"|unrecognized) (?P<what>stack \w+(?: \w+)?) at +(?:[0-9a-f]{1,16}|\((?:null|_{0,4}ptrval_{0,4})\))"
    r" in (?P<comm>.{1,32}):(?P<pid>\d{1,10}) has bad"
)


OPENINGS = (
    Opening("field-spanning", _SPANNING, parse_spanning, rank=PRELUDE, detail_of=frozenset({"warning"})),
    Opening("warning", HEAD, parse_warning),
    Opening("warning", BAD_STACK, parse_stack_pointer),
)
