# SPDX-License-Identifier: GPL-2.0-or-later
"""
Whether a report of failed memory is whole: one report's lines, and a headline that was not cut.

    page allocation failure: order:0, mode:0x820(GFP_ATOMIC)     and the Mem-Info below it
"""

from __future__ import annotations

import re

from keepsane.kernel.events.show_mem.requester import has_two_tasks
from keepsane.kernel.log.block import Block
from keepsane.kernel.pages.gfp import version_of
from keepsane.kernel.pages.mem_info import MemInfo

_HEAD = re.compile(r"[>\s]{0,16}Mem-[Ii]nfo:")
NAMES_SINCE = (4, 6)
"""
Since then names follow the mask: 420adbe9fc1a ("mm, tracing: unify mm flags handling in tracepoints and
printk").
"""


def mixed(block: Block, memory: MemInfo | None) -> str:
    """
    Say so where the memory may be another report's.

    A second task is named, a second memory report begins, or this one was printed before the failure.
    """
    begun = block.head_record.seconds
    told = (record.seconds for record in block.records if memory is not None and record.line == memory.line)
    early = any(seconds is not None and begun is not None and seconds < begun for seconds in told)
    heads = sum(_HEAD.match(record.text) is not None for record in block.records)
    if early or heads > 1 or has_two_tasks(block):
        return "two reports are mixed: which of them the memory belongs to is not known"
    return ""


def is_mode_cut(found: re.Match[str], release: str | None, memory: MemInfo | None) -> bool:
    """Tell whether a line ends inside the mask: this kernel prints names behind it, and nothing follows."""
    return found.end("mode") == len(found.string.rstrip()) and _prints_names(release, memory)


def _prints_names(release: str | None, memory: MemInfo | None) -> bool:
    version = version_of(release)
    if version is not None:
        return version >= NAMES_SINCE
    zones = memory.zones if memory else ()
    return bool(memory and memory.nodes) or any(
        zone.boost_pages is not None or zone.reserved_highatomic_pages is not None for zone in zones
    )
