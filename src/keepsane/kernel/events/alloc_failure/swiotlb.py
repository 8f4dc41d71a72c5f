# SPDX-License-Identifier: GPL-2.0-or-later
"""
A device that cannot reach all memory found no room in the bounce buffer.

    nvme 0000:01:00.0: swiotlb buffer is full (sz: 4096 bytes), total 32768 (slots), used 0 (slots) since 5.1
    mlx5_core 0000:01:00.0: swiotlb buffer is full (sz: 8388608 bytes)                              before
    DMA: Out of SW-IOMMU space for 65536 bytes at device 0000:03:00.0                               3.x, 4.x

A slot is 2 kB, and a request gets at most 128 slots in a row: one above 256 kB never succeeds.
Source: kernel/dma/swiotlb.c (before, lib/swiotlb.c), swiotlb_tbl_map_single() and swiotlb_full().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.log.groups import read

FULL = re.compile(
    r"(?:(?P<device>[^\[\]\s:][^\[\]]{0,80}?): )?swiotlb buffer is full"
    r"(?: \(sz: (?P<size_bytes>\d{1,20}) bytes\))?"
    r"(?:, total (?P<total_slots>\d{1,15}) \(slots\), used (?P<used_slots>\d{1,15}) \(slots\))?"
)
OLD_FULL = re.compile(
    r"(?:PCI-)?DMA: Out of SW-IOMMU space for (?P<size_bytes>\d{1,20}) bytes at device (?P<device>\S{1,64})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceBuffer:
    """The bounce buffer when it was full: its size and use in slots of 2 kB, None where not printed."""

    device: str | None = None
    total_slots: int | None = None
    used_slots: int | None = None


def parse_bounce_buffer(head: re.Match[str]) -> BounceBuffer:
    """
    Read the line that says the buffer is full: the match of `FULL` or `OLD_FULL`.

    Accepted format:
        nvme 0000:01:00.0: swiotlb buffer is full (sz: 4096 bytes), total 32768 (slots), used 0 (slots)
    """
    return read(BounceBuffer, head)
