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

Source: mm/page_alloc.c, warn_alloc(); mm/slub.c, slab_out_of_memory(); mm/cma.c, cma_alloc().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.block import Block, Opening, build, damage_of
from keepsane.kernel.culprit import plain_name
from keepsane.kernel.machinery import REPORTING
from keepsane.kernel.show_mem import MEM_INFO
from keepsane.model import Event, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocFailure(Event):
    """
    An allocation of 2**`order` pages, or of `size_bytes`, could not be had.

    `mode` are the gfp bits and `mode_text` the kernel's names for them, where it prints these.
    """

    order: int | None = None
    mode: int | None = None
    mode_text: str | None = None
    size_bytes: int | None = None


_MODE = r"(?:mode|gfp|gfp_mask)[:=] ?(?P<mode>0x[0-9a-f]{1,16})(?:\((?P<mode_text>[A-Z_0-9x|a-z]{1,500})\))?"
PAGES = re.compile(
    r".{0,80}?(?P<comm>[^\s\]][^\]]{0,31}|): page allocation failure[.:] ?order:(?P<order>\d{1,3})(?:, ?"
    + _MODE
    + r")?"
)
OLD_PAGES = re.compile(
    r"__alloc_pages: (?P<order>\d{1,3})-order allocation failed(?: \(gfp=(?P<mode>0x[0-9a-f]{1,16}))?"
)
VMALLOC = re.compile(
    r"(?:(?P<comm>\S.{0,31}): )?(?:vmalloc error: size (?P<size>\d{1,20})"
    r"|vmalloc: allocation failure(?:: (?P<old_size>\d{1,20}) bytes|, allocated \d+ of "
    r"(?P<part_size>\d{1,20}) bytes)?|vmap allocation for size (?P<vmap_size>\d{1,20}) failed)(?:.{0,160}?"
    + _MODE
    + r")?"
)
SLAB = re.compile(r"SL[AUO]B: Unable to allocate memory on (?:node|CPU) -?\d+.{0,60}?[ (]" + _MODE)
CMA = re.compile(
    r"cma: (?:cma_alloc|__cma_alloc): (?:[\w,-]{1,64}: )?alloc failed, req-size: (?P<pages>\d{1,10}) pages"
)
_CONTINUED = re.compile(r"\s*" + _MODE)
# Allocators, and wrappers that only pass a size on: the function that asked is above them.
_ALLOCATOR = re.compile(
    r"warn_alloc|\w*alloc|\w*get_free_page|kmem_|slab_|___?slab|\w*new_slab|\w*refill|kv?m?z?alloc|vm_area"
    r"|__page_|cache_grow|get_page_from|\w*memdup"
    r"|\w*folio_|\w*page_cache|\w*page_frag|dump_|__vmalloc|fallback_|dma_direct|krealloc"
)
_OWN = re.compile(
    MEM_INFO
    + "|"
    + _CONTINUED.pattern
    + r"|.{0,80}?: page allocation failure|SL[AUO]B: Unable|\s*cache: |\s*node \d+: slabs|lowmem|vmalloc"
)


def _function(block: Block) -> str | None:
    frames = [
        frame for stack in block.body.stacks for frame in stack.frames if frame.reliable and frame.function
    ]
    names = [frame.function or "" for frame in frames if (frame.function or "") not in REPORTING]
    asked = next((name for name in names if not _ALLOCATOR.match(name)), None)
    return plain_name(asked) if asked else None


def _failure(
    block: Block, what: str, part: dict[str, str | None], size_bytes: int | None = None
) -> AllocFailure:
    mode = part if part.get("mode") else (later.groupdict() if (later := block.find(_CONTINUED)) else {})
    function, number = _function(block), mode.get("mode")
    return build(
        AllocFailure,
        block,
        "alloc-failure",
        what + (f" in {function}" if function else ""),
        damage=damage_of(block),
        task=_task(block, part.get("comm")),
        order=int(part["order"] or 0) if "order" in part else None,
        mode=int(number, 16) if number else None,
        mode_text=mode.get("mode_text"),
        size_bytes=size_bytes,
    )


def _task(block: Block, comm: str | None) -> Task | None:
    return block.body.task or (Task(comm=comm, pid=None, cpu=None) if comm else None)


def parse_page_failure(block: Block) -> AllocFailure | None:
    """
    Read a failed allocation of pages.

    Accepted format:
        busybox: page allocation failure: order:9, mode:0x40dc0(GFP_KERNEL|__GFP_COMP|__GFP_ZERO), ...
    """
    part = block.head.groupdict()
    return _failure(block, f"page allocation failure of order {part['order']}", part)


def parse_old_page_failure(block: Block) -> AllocFailure | None:
    """Read the line of 2.4, which has no stack: `__alloc_pages: 0-order allocation failed (gfp=0xf0/0)`."""
    part = block.head.groupdict()
    mode = part["mode"]
    title = f"page allocation failure of order {part['order']}"
    return build(
        AllocFailure,
        block,
        "alloc-failure",
        title,
        damage="",
        order=int(part["order"] or 0),
        mode=int(mode, 16) if mode else None,
    )


def parse_vmalloc_failure(block: Block) -> AllocFailure | None:
    """
    Read a failed vmalloc().

    Accepted format:
        insmod: vmalloc error: size 17179869184, failed to allocate pages, mode:0xcc2(...)
    """
    part = block.head.groupdict()
    size = part["size"] or part["old_size"] or part["part_size"] or part["vmap_size"]
    return _failure(block, "vmalloc failure", part, int(size) if size else None)


def parse_slab_failure(block: Block) -> AllocFailure | None:
    """
    Read a slab cache that got no page.

    Accepted format:
        SLUB: Unable to allocate memory on node -1, gfp=0xa20(GFP_ATOMIC)
    """
    part = block.head.groupdict()
    return build(
        AllocFailure,
        block,
        "alloc-failure",
        "slab allocation failure",
        damage="",
        mode=int(part["mode"] or "0", 16),
        mode_text=part["mode_text"],
    )


def parse_cma_failure(block: Block) -> AllocFailure | None:
    """
    Read an allocation that the contiguous memory area refused.

    Accepted format:
        cma: cma_alloc: reserved: alloc failed, req-size: 148 pages, ret: -16
    """
    title = f"CMA allocation failure of {block.head['pages']} pages"
    return build(AllocFailure, block, "alloc-failure", title, damage="")


OPENINGS = (
    Opening(
        "alloc-failure",
        "page allocation failure",
        PAGES,
        parse_page_failure,
        own=_OWN,
        detail_of=frozenset({"vmalloc-failure"}),
    ),
    Opening(
        "old-alloc-failure",
        "order allocation failed",
        OLD_PAGES,
        parse_old_page_failure,
        rank=0,
        own=OLD_PAGES,
        detail_of=frozenset({"old-alloc-failure"}),
    ),
    # Before 4.11 two lines: the size first, then the order that warn_alloc_failed() was called with.
    Opening("vmalloc-failure", "vmalloc", VMALLOC, parse_vmalloc_failure, own=_OWN),
    Opening("vmalloc-failure", "vmap allocation", VMALLOC, parse_vmalloc_failure, own=_OWN),
    Opening(
        "slab-alloc-failure",
        "Unable to allocate memory on",
        SLAB,
        parse_slab_failure,
        rank=0,
        own=_OWN,
        detail_of=frozenset({"alloc-failure"}),
    ),
    Opening("cma-failure", "alloc failed, req-size", CMA, parse_cma_failure, rank=0, own=_OWN),
)
