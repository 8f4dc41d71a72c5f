# SPDX-License-Identifier: GPL-2.0-or-later
"""
Persistent hugepages, by size; meminfo counts those of the default size only.

    /sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages       16
    /sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages     12

Source: mm/hugetlb.c, nr_hugepages_show_common(), free_hugepages_show().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.memory.snapshot import Snapshot

FOLDER = "sys/kernel/mm/hugepages"
NAMES = ("nr_hugepages", "free_hugepages", "resv_hugepages", "surplus_hugepages")

_SIZE = re.compile(r"hugepages-(\d{1,12})kB/\w{1,40}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hugepages:
    """How many pages of one size were set aside, and how many of them nobody uses."""

    size_kibibytes: int
    total: int | None
    free: int | None
    reserved: int | None
    surplus: int | None


def hugepages_of(snapshot: Snapshot) -> tuple[Hugepages, ...]:
    """Every size this kernel knows, the smallest first; none where the snapshot does not say."""
    sizes = {int(found[1]) for path, _ in snapshot.below(FOLDER) if (found := _SIZE.fullmatch(path))}
    return tuple(_of_size(snapshot, size) for size in sorted(sizes)[:16])


def _of_size(snapshot: Snapshot, size: int) -> Hugepages:
    total, free, reserved, surplus = (
        _number(snapshot.text(f"{FOLDER}/hugepages-{size}kB/{name}")) for name in NAMES
    )
    return Hugepages(size_kibibytes=size, total=total, free=free, reserved=reserved, surplus=surplus)


def _number(text: str | None) -> int | None:
    # Without its end it may be half a number.
    return int(text) if text and re.fullmatch(r"\d{1,20}\s{0,8}\n", text, re.ASCII) else None
