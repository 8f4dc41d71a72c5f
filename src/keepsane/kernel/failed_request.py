# SPDX-License-Identifier: GPL-2.0-or-later
"""
A failed request with what the kernel could have given it: the mask decoded and the account of memory.

    page allocation failure: order:0, mode:0x820(GFP_ATOMIC)     and the Mem-Info below it
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from keepsane.kernel.gfp import Gfp, decode, version_of
from keepsane.kernel.ledger import Ledger, account
from keepsane.kernel.mem_info import MemInfo
from keepsane.kernel.watermark_form import Request

if TYPE_CHECKING:
    from keepsane.kernel.alloc_failure import AllocFailure
    from keepsane.kernel.oom import OomKill

_NO_MEMORY = MemInfo(line=0, page_bytes=4096, lacks="the report has no Mem-Info: what was free is not known")


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
) -> Accounted:
    """
    Account for a request; `nodes` are the nodes that each of nodemask and cpuset allows, None for all.

    The mask is decoded by the names and the release that the report prints. One that does not say the order
    is taken for one page, as the kernels that print none asked for.
    """
    gfp = None if mode is None else decode(mode, names=mode_text, release=release)
    version = version_of(release) if release else None
    request = Request(
        order=order or 0, gfp=gfp, version=version, size_bytes=size_bytes, nodes=_common(nodes), oom=oom
    )
    return Accounted(request, gfp, account(memory or _NO_MEMORY, request))


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
