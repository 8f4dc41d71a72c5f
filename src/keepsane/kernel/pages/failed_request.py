# SPDX-License-Identifier: GPL-2.0-or-later
"""
A failed request with what the kernel could have given it: the mask decoded and the account of memory.

    page allocation failure: order:0, mode:0x820(GFP_ATOMIC)     and the Mem-Info below it
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from keepsane.kernel.events.show_mem.requester import has_two_tasks
from keepsane.kernel.log.block import Block
from keepsane.kernel.pages.gfp import Gfp, decode, version_of
from keepsane.kernel.pages.ledger import Ledger, account
from keepsane.kernel.pages.mem_info import MemInfo
from keepsane.kernel.pages.watermark_form import Request

if TYPE_CHECKING:
    from keepsane.kernel.events.alloc_failure.failure import AllocFailure
    from keepsane.kernel.events.oom_kill.kill import OomKill

_HEAD = re.compile(r"[>\s]{0,16}Mem-[Ii]nfo:")
_NO_MEMORY = MemInfo(line=0, page_bytes=4096, lacks="the report has no Mem-Info: what was free is not known")


NAMES_SINCE = (4, 6)
"""
Since then names follow the mask: 420adbe9fc1a ("mm, tracing: unify mm flags handling in tracepoints and
printk").
"""


class Accounted(NamedTuple):
    """What a request asked for, the mask in words, and what came of it by the kernel's own arithmetic."""

    request: Request
    gfp: Gfp | None
    ledger: Ledger


def accounted(
    memory: MemInfo | None,
    mode: int | None,
    mode_text: str | None,
    release: str | None,
    order: int | None,
    *,
    size_bytes: int | None = None,
    nodes: Iterable[tuple[int, ...] | None] = (),
    oom: bool = False,
    lacks: str = "",
) -> Accounted:
    """
    Account for a request; `nodes` are the nodes that each of nodemask and cpuset allows, None for all.

    `lacks` says what of the request is not known, so that no verdict can be given.

    The mask is decoded by the names and the release that the report prints. One that does not say the order
    is taken for one page, as the kernels that print none asked for.
    """
    gfp = None if mode is None else decode(mode, names=mode_text, release=release)
    version = version_of(release) if release else None
    request = Request(
        order=order or 0, gfp=gfp, version=version, size_bytes=size_bytes, nodes=_common(nodes), oom=oom
    )
    ledger = account(memory or _NO_MEMORY, request)
    if lacks and ledger.verdict != "size-absurd":
        ledger = Ledger(verdict="incomplete", why=lacks)
    return Accounted(request, gfp, ledger)


def mixed(block: Block, memory: MemInfo | None) -> str:
    """
    Say so where the memory may be another report's.

    A second task is named, a second memory report begins, or this one was printed before the failure.
    """
    begun = block.head_record.seconds
    told = (one.seconds for one in block.records if memory is not None and one.line == memory.line)
    early = any(seconds is not None and begun is not None and seconds < begun for seconds in told)
    heads = sum(_HEAD.match(one.text) is not None for one in block.records)
    if early or heads > 1 or has_two_tasks(block):
        return "two reports are mixed: which of them the memory belongs to is not known"
    return ""


def is_mode_cut(found: re.Match[str], release: str | None, memory: MemInfo | None) -> bool:
    """Tell whether a line ends inside the mask: this kernel prints names behind it, and nothing follows."""
    return found.end("mode") == len(found.string.rstrip()) and _prints_names(release, memory)


def _prints_names(release: str | None, memory: MemInfo | None) -> bool:
    version = version_of(release) if release else None
    if version is not None:
        return version >= NAMES_SINCE
    zones = memory.zones if memory else ()
    return bool(memory and memory.nodes) or any(
        zone.boost_pages is not None or zone.reserved_highatomic_pages is not None for zone in zones
    )


def request_of(event: AllocFailure | OomKill) -> Request:
    """Give the request of an event, to account for it once more under other settings."""
    order, size_bytes = event.order or 0, getattr(event, "size_bytes", None)
    version = version_of(event.release) if event.release else None
    nodes = _common((event.nodemask, event.mems_allowed))
    oom = event.kind == "oom-kill"
    return Request(order=order, gfp=event.gfp, version=version, size_bytes=size_bytes, nodes=nodes, oom=oom)


def _common(nodes: Iterable[tuple[int, ...] | None]) -> tuple[int, ...] | None:
    named = [set(one) for one in nodes if one is not None]
    return tuple(sorted(set.intersection(*named))) if named else None
