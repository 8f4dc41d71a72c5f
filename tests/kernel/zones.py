# SPDX-License-Identifier: GPL-2.0-or-later
"""Zones written down by hand, in kB as the kernel prints them."""

from __future__ import annotations

import re

from keepsane.kernel.pages.gfp import decode
from keepsane.kernel.pages.mem_info import Amount, MemInfo
from keepsane.kernel.pages.watermark_form import Request
from keepsane.kernel.pages.zone import FreeBlocks, Zone

_BLOCKS = re.compile(r"(\d+)\*(\d+)kB(?: \((\w+)\))?")


def zone(
    name: str,
    kibibytes: str,
    *,
    reserve: tuple[int, ...] | None = None,
    blocks: str | None = None,
    node: int | None = 0,
) -> Zone:
    """Write a zone from "free:1036 min:2784 ...", in kB; `reserve` is in pages, as printed."""
    pages = {f"{key}_pages": int(value) // 4 for key, value in re.findall(r"(\w+):(\d+)", kibibytes)}
    pages.setdefault("low_pages", pages["min_pages"] * 5 // 4)
    pages.setdefault("high_pages", pages["min_pages"] * 3 // 2)
    return Zone(
        name=name,
        node=node,
        lowmem_reserve_pages=reserve,
        blocks=None if blocks is None else listed(blocks),
        **pages,  # type: ignore[arg-type]
    )


def listed(blocks: str) -> tuple[FreeBlocks, ...]:
    """Write a list of free blocks from "1*4kB (U) 2*8kB ..."; in a list without letters none are printed."""
    lettered = "(" in blocks
    return tuple(
        FreeBlocks(
            order=(int(size) // 4).bit_length() - 1,
            count=int(count),
            types=types or "" if lettered else None,
        )
        for count, size, types in _BLOCKS.findall(blocks)
    )


def request(mask: int, release: str | None, order: int = 0, **more: object) -> Request:
    """Write a request by its mask and the kernel's release."""
    version = None
    if release:
        version = tuple(int(part) for part in re.findall(r"\d+", release)[:3])
    return Request(order=order, gfp=decode(mask, release=release), version=version, **more)  # type: ignore[arg-type]


def mem_info(*zones: Zone, lacks: str = "", ram_pages: int | None = 131054, **totals: int) -> MemInfo:
    """Put zones together to what a report says of memory."""
    return MemInfo(
        line=1,
        page_bytes=4096,
        zones=zones,
        lacks=lacks,
        ram_pages=ram_pages,
        totals=tuple(Amount(name, pages) for name, pages in totals.items()),
    )
