# SPDX-License-Identifier: GPL-2.0-or-later
"""
An allocation failed and its caller did not ask for silence.

    busybox: page allocation failure: order:9, mode:0x40dc0(GFP_KERNEL|__GFP_COMP|__GFP_ZERO), nodemask=(null)
    swapper: page allocation failure. order:1, mode:0x20                                      2.6
    __alloc_pages: 0-order allocation failed (gfp=0xf0/0)                                     2.4
    insmod: vmalloc error: size 17179869184, failed to allocate pages, mode:0xcc2(GFP_KERNEL|__GFP_HIGHMEM)
    vmalloc: allocation failure: 17179869184 bytes                                            3.x, 4.x
    SLUB: Unable to allocate memory on node -1, gfp=0xa20(GFP_ATOMIC)
    cma: cma_alloc: reserved: alloc failed, req-size: 148 pages, ret: -16
    nvme 0000:01:00.0: swiotlb buffer is full (sz: 4096 bytes), total 32768 (slots), used 0 (slots)
    DMA: failed to allocate 128 KiB GFP_KERNEL|GFP_DMA pool for atomic allocation

Source: mm/page_alloc.c, warn_alloc(); mm/slub.c, slab_out_of_memory(); mm/cma.c, cma_alloc();
kernel/dma/swiotlb.c, swiotlb_tbl_map_single(); kernel/dma/pool.c, __dma_atomic_pool_init().
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise

from keepsane.kernel.events.alloc_failure.cma import CMA, CmaRequest, parse_cma_request
from keepsane.kernel.events.alloc_failure.slab_cache import SlabCache, parse_slab_cache
from keepsane.kernel.events.alloc_failure.swiotlb import FULL, OLD_FULL, BounceBuffer, parse_bounce_buffer
from keepsane.kernel.events.show_mem.cpuset import parse_allowed_nodes
from keepsane.kernel.events.show_mem.requester import in_interrupt, is_mixed, requester
from keepsane.kernel.events.show_mem.show_mem import MEM_INFO, parse_mem_info
from keepsane.kernel.events.show_mem.whole import is_mode_cut, mixed
from keepsane.kernel.log.block import PRELUDE, Block, Opening, build, damage_of, titled
from keepsane.kernel.log.culprit import plain_name
from keepsane.kernel.log.groups import said, task_of
from keepsane.kernel.pages.failed_request import FailedRequest, accounted
from keepsane.kernel.pages.mem_info import MemInfo
from keepsane.kernel.pages.watermark_form import Request
from keepsane.model import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocFailure(FailedRequest):
    """
    An allocation of 2**`order` pages, or of `size_bytes`, could not be had; see FailedRequest.

    `requester` is the function that asked, the first beyond the allocator; None where the stack does not
    reach it. `task` ran at that time: where `in_interrupt` is true it was only interrupted (None: the stack
    does not show it). `suppressed` counts the failures before this one that the kernel did not print. `slab`,
    `cma` and `bounce_buffer` are what those allocators add.
    """

    size_bytes: int | None = None
    requester: Frame | None = None
    in_interrupt: bool | None = None
    suppressed: int | None = None
    slab: SlabCache | None = None
    cma: CmaRequest | None = None
    bounce_buffer: BounceBuffer | None = None

    def request(self) -> Request:
        """Give what was asked for, with the size that vmalloc() was asked for."""
        return replace(FailedRequest.request(self), size_bytes=self.size_bytes)


_MODE = (
    r"(?:mode|gfp|gfp_mask)[:=](?:3D)? ?(?P<mode>0x[0-9a-f]{1,16}+)"
    r"(?:\((?P<mode_text>[A-Z_0-9x|a-z]{1,500}+)\))?"
)
PAGES = re.compile(
    r".{0,80}?(?P<comm>[^\s\]>][^\]]{0,31}|): page allocation failure[.:] ?order:(?P<order>\d{1,3})(?:, ?"
    + _MODE
    + r")?"
)
OLD_PAGES = re.compile(
    r"__alloc_pages: (?P<order>\d{1,3})-order allocation failed(?: \(gfp=(?P<mode>0x[0-9a-f]{1,16}))?"
)
VMALLOC = re.compile(
    r"(?:(?P<comm>\S.{0,31}): )?(?:vmalloc error: size (?P<size_bytes>\d{1,20}+)"
    r"|vmalloc: allocation failure(?:: (?P<size_bytes_>\d{1,20}) bytes|, allocated \d{1,20}+ of "
    r"(?P<size_bytes__>\d{1,20}) bytes)?|vmap allocation for size (?P<size_bytes___>\d{1,20}) failed)"
    r"(?:.{0,100}?" + _MODE + r")?"
)
SLAB = re.compile(r"SL[AUO]B: Unable to allocate memory on (?:node|CPU) -?\d{1,20}+.{0,60}?[ (]" + _MODE)
POOL = re.compile(
    r"DMA: failed to allocate (?P<kibibytes>\d{1,10}) KiB (?P<mode_text>[A-Z_0-9|]{1,100}) pool for atomic"
)
_SUPPRESSED = re.compile(
    r"(?:warn_alloc|warn_alloc_failed|__ratelimit): (?P<count>\d{1,10}) callbacks suppressed"
)
_SUPPRESSED_BEFORE = re.compile(r"warn_alloc(?:_failed)?: \d{1,10} callbacks suppressed")
_CONTINUED = re.compile(r"\s*+" + _MODE)
_OWN = re.compile(
    MEM_INFO
    + "|"
    + _CONTINUED.pattern.replace("?P<mode>", "").replace("?P<mode_text>", "")
    + r"|.{0,80}?: page allocation failure|SL[AUO]B: Unable|\s*cache: |\s*node \d{1,20}: slabs|lowmem|vmalloc"
    r"|.{0,32}cpuset=|mems_allowed=|__ratelimit: \d"
)
_CMA_OWN = re.compile(MEM_INFO + r"|\s*(?:=>|[\d@+]{3,}(?:=>|\s*+$))")


def _failure(
    block: Block, what: str, order: int | None = None, size_bytes: int | None = None
) -> AllocFailure:
    memory, nodes, asked = parse_mem_info(block.records), parse_allowed_nodes(block.records), requester(block)
    mode = _mode(block, memory)
    made = accounted(
        memory,
        mask := int(mode["mode"], 16) if mode else None,
        names := mode["mode_text"] if mode else None,
        block.body.release,
        order,
        size_bytes=size_bytes,
        nodes=(nodes.nodemask, nodes.mems_allowed),
        lacks=_lacks(block, size_bytes, memory),
    )
    # A frame with a question mark never names an event.
    function = plain_name(asked.function) if asked and asked.function and asked.reliable else None
    return build(
        AllocFailure,
        block,
        "alloc-failure",
        titled(what, function),
        damage=_damage(block),
        task=block.body.task or task_of(block.head),
        order=order,
        mode=mask,
        mode_text=names,
        size_bytes=size_bytes,
        requester=asked,
        in_interrupt=in_interrupt(block, asked),
        **nodes._asdict(),
        suppressed=_suppressed(block),
        memory=memory,
        gfp=made.gfp,
        ledger=made.ledger,
        slab=parse_slab_cache(block.records),
    )


def _mode(block: Block, memory: MemInfo | None) -> re.Match[str] | None:
    """Give the match with the mask: the headline's, or that of the line below; None where it is cut."""
    lines = (block.find(PAGES), block.find(_CONTINUED))
    found = next((match for match in (block.head, *lines) if match and match["mode"]), None)
    return None if found is None or is_mode_cut(found, block.body.release, memory) else found


def _lacks(block: Block, size_bytes: int | None, memory: MemInfo | None) -> str:
    if size_bytes is None and _is_vmalloc(block):
        return "vmalloc() asked, and the line that says for how much is missing"
    return mixed(block, memory)


def _is_vmalloc(block: Block) -> bool:
    """Tell whether vmalloc() itself complains: it calls the function that prints the report."""
    frames = [frame for stack in block.body.stacks for frame in stack.frames if frame.reliable]
    names = [frame.function or "" for frame in frames]
    return any(inner.startswith("warn_alloc") and "vmalloc" in outer for inner, outer in pairwise(names))


def _damage(block: Block) -> str:
    mixed = "lines of another CPU are mixed into its call trace" if is_mixed(block) else ""
    return "; ".join(filter(None, (damage_of(block), mixed)))


def _suppressed(block: Block) -> int | None:
    counts = [int(found["count"]) for found in block.find_all(_SUPPRESSED)]
    return sum(counts) if counts else None


def parse_page_failure(block: Block) -> AllocFailure | None:
    """
    Read a failed allocation of pages.

    Accepted format:
        busybox: page allocation failure: order:9, mode:0x40dc0(GFP_KERNEL|__GFP_COMP|__GFP_ZERO), ...
    """
    size = next(filter(None, map(_vmalloc_bytes, block.find_all(VMALLOC))), None)
    order = int(block.head["order"])
    return _failure(block, f"page allocation failure of order {order}", order, size)


def parse_old_page_failure(block: Block) -> AllocFailure | None:
    """Read the line of 2.4, which has no stack: `__alloc_pages: 0-order allocation failed (gfp=0xf0/0)`."""
    title = f"page allocation failure of order {block.head['order']}"
    return build(AllocFailure, block, "alloc-failure", title, damage="")


def parse_vmalloc_failure(block: Block) -> AllocFailure | None:
    """
    Read a failed vmalloc().

    Accepted format:
        insmod: vmalloc error: size 17179869184, failed to allocate pages, mode:0xcc2(...)
    """
    pages = None if block.head["mode"] else block.find(PAGES)
    order = int(pages["order"]) if pages else None
    return _failure(block, "vmalloc failure", order, _vmalloc_bytes(block.head))


def _vmalloc_bytes(found: re.Match[str]) -> int | None:
    size: int | None = said(AllocFailure, found).get("size_bytes")
    return size


def parse_slab_failure(block: Block) -> AllocFailure | None:
    """
    Read a slab cache that got no page.

    Accepted format:
        SLUB: Unable to allocate memory on node -1, gfp=0xa20(GFP_ATOMIC)
        SLUB: Unable to allocate memory on CPU 1 (of node 0) on node -1, gfp=0x820(GFP_ATOMIC)
    """
    slab = parse_slab_cache(block.records)
    return build(AllocFailure, block, "alloc-failure", "slab allocation failure", damage="", slab=slab)


def parse_cma_failure(block: Block) -> AllocFailure | None:
    """
    Read an allocation that the contiguous memory area refused.

    Accepted format:
        cma: cma_alloc: reserved: alloc failed, req-size: 148 pages, ret: -16
    """
    return build(
        AllocFailure,
        block,
        "alloc-failure",
        f"CMA allocation failure of {block.head['requested_pages']} pages",
        damage="",
        cma=parse_cma_request(block.head, block.records),
        memory=parse_mem_info(block.records),
    )


def parse_bounce_failure(block: Block) -> AllocFailure | None:
    """
    Read a device's request that the bounce buffer had no room for.

    Accepted format:
        nvme 0000:01:00.0: swiotlb buffer is full (sz: 4096 bytes), total 32768 (slots), used 0 (slots)
    """
    buffer = parse_bounce_buffer(block.head)
    title = "bounce buffer full" + (f" for {buffer.device}" if buffer.device else "")
    return build(AllocFailure, block, "alloc-failure", title, damage="", bounce_buffer=buffer)


def parse_pool_failure(block: Block) -> AllocFailure | None:
    """
    Read a pool for atomic DMA allocations that could not be filled at boot.

    Accepted format:
        DMA: failed to allocate 128 KiB GFP_KERNEL|GFP_DMA pool for atomic allocation
    """
    size_bytes = int(block.head["kibibytes"]) * 1024
    title = f"no {block.head['mode_text']} pool for atomic DMA allocations"
    return build(AllocFailure, block, "alloc-failure", title, damage="", size_bytes=size_bytes)


def parse_suppressed(block: Block) -> AllocFailure | None:
    """Read no failure out of the line that only counts those not printed: it belongs to the next one."""
    return None


_IN_FAILURE = frozenset({"alloc-failure"})

OPENINGS = (
    # Before 4.11 two lines: vmalloc's size first, then the order that warn_alloc_failed() was called with.
    Opening("alloc-failure", PAGES, parse_page_failure, own=_OWN, detail_of=frozenset({"vmalloc-failure"})),
    Opening("old-alloc-failure", OLD_PAGES, parse_old_page_failure, rank=0),
    Opening("vmalloc-failure", VMALLOC, parse_vmalloc_failure, own=_OWN),
    Opening("slab-alloc-failure", SLAB, parse_slab_failure, rank=0, own=_OWN, detail_of=_IN_FAILURE),
    Opening("cma-failure", CMA, parse_cma_failure, rank=0, own=_CMA_OWN),
    Opening("bounce-failure", FULL, parse_bounce_failure, rank=0),
    Opening("bounce-failure", OLD_FULL, parse_bounce_failure, rank=0),
    Opening("pool-failure", POOL, parse_pool_failure, rank=0, detail_of=_IN_FAILURE),
    Opening("suppressed", _SUPPRESSED_BEFORE, parse_suppressed, rank=PRELUDE),
)
