# SPDX-License-Identifier: GPL-2.0-or-later
"""
A failed request with what the kernel could have given it: the mask decoded and the account of memory.

    page allocation failure: order:0, mode:0x820(GFP_ATOMIC)     and the Mem-Info below it
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from keepsane.kernel.pages.gfp import Gfp, decode, version_of
from keepsane.kernel.pages.ledger import Ledger, account
from keepsane.kernel.pages.mem_info import MemInfo
from keepsane.kernel.pages.watermark_form import Request
from keepsane.model import Event
from keepsane.words import size_words

_NO_MEMORY = MemInfo(line=0, page_bytes=4096, lacks="the report has no Mem-Info: what was free is not known")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRequest(Event):
    """
    A request for 2**`order` pages that could not be served.

    `mode` are the gfp bits and `mode_text` the kernel's names for them, where it prints these. `nodemask`,
    `cpuset` and `mems_allowed` say which nodes were allowed. `memory` is the state at the time of printing, a
    moment after the failure. `gfp` is the mode in words, `ledger` what of the free memory the request could
    use, and why that was not enough.
    """

    order: int | None = None
    mode: int | None = None
    mode_text: str | None = None
    nodemask: tuple[int, ...] | None = None
    cpuset: str | None = None
    mems_allowed: tuple[int, ...] | None = None
    memory: MemInfo | None = None
    gfp: Gfp | None = None
    ledger: Ledger | None = None

    @property
    def page_bytes(self) -> int:
        """The size of a page; 4 kB where the report has no memory to tell it."""
        return (self.memory or _NO_MEMORY).page_bytes

    def size_of(self, pages: int) -> str:
        """Say a number of this machine's pages as a size."""
        return size_words(pages * self.page_bytes / 1024)

    def request(self) -> Request:
        """Give what was asked for, to account for it once more under other settings."""
        version = version_of(self.release)
        nodes = _common((self.nodemask, self.mems_allowed))
        return Request(order=self.order or 0, gfp=self.gfp, version=version, nodes=nodes)


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
    version = version_of(release)
    request = Request(
        order=order or 0, gfp=gfp, version=version, size_bytes=size_bytes, nodes=_common(nodes), oom=oom
    )
    ledger = account(memory or _NO_MEMORY, request)
    if lacks and ledger.verdict != "size-absurd":
        ledger = Ledger(verdict="incomplete", why=lacks)
    return Accounted(request, gfp, ledger)


def _common(nodes: Iterable[tuple[int, ...] | None]) -> tuple[int, ...] | None:
    named = [set(allowed) for allowed in nodes if allowed is not None]
    return tuple(sorted(set.intersection(*named))) if named else None
