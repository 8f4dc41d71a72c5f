# SPDX-License-Identifier: GPL-2.0-or-later
"""vm.min_free_kbytes as kernels set it: the table in the kernel's own comment, and real machines."""

from __future__ import annotations

import pytest

from keepsane.kernel.pages.min_free import default_kibibytes, lowmem_pages, thp_pages
from keepsane.kernel.pages.zone import Zone


# The comment above init_per_zone_wmark_min() in mm/page_alloc.c lists these.
@pytest.mark.parametrize(
    ("megabytes", "kibibytes"),
    [(16, 512), (32, 724), (64, 1024), (128, 1448), (256, 2048), (512, 2896), (1024, 4096), (8192, 11584)],
)
def test_the_formula_gives_the_table_of_the_kernel(megabytes: int, kibibytes: int) -> None:
    assert default_kibibytes(megabytes * 1024) in (kibibytes, kibibytes + 1)


def test_the_limits_hold() -> None:
    # 4 * sqrt(8 TB) = 370727 kB
    assert default_kibibytes(100) == 128
    assert default_kibibytes(8 << 30, (5, 7)) == 65536
    assert default_kibibytes(8 << 30, (5, 8)) == 262144


def test_hugepages_raise_it_to_what_x86_machines_show() -> None:
    # 67584 kB: /proc/sys/vm/min_free_kbytes of most x86 machines with DMA, DMA32 and Normal.
    assert thp_pages(3, 512, 6_000_000) * 4 == 67584
    # 10000 pages of lowmem: a twentieth.
    assert thp_pages(2, 512, 10_000) == 500


def test_high_memory_does_not_count() -> None:
    def zone(name: str, managed: int | None) -> Zone:
        return Zone(name=name, free_pages=0, min_pages=0, low_pages=0, high_pages=0, managed_pages=managed)

    assert lowmem_pages([zone("DMA", 100), zone("Normal", 200), zone("HighMem", 400)]) == 300
    assert lowmem_pages([zone("Normal", None)]) is None
    assert lowmem_pages([]) is None
