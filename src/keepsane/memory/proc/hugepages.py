# SPDX-License-Identifier: GPL-2.0-or-later
"""
Huge pages: persistent ones by size, and how transparent ones are switched on.

    /sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages       16
    /sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages     12
    always defer defer+madvise [madvise] never      .../transparent_hugepage/defrag
    [always] madvise never                          .../redhat_transparent_hugepage/enabled, RHEL 6

meminfo counts the persistent ones of the default size only.
Source: mm/hugetlb.c, nr_hugepages_show_common(), free_hugepages_show(); mm/huge_memory.c, enabled_show().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.memory.snapshot import Snapshot

FOLDER = "sys/kernel/mm/hugepages"
NAMES = ("nr_hugepages", "free_hugepages", "resv_hugepages", "surplus_hugepages")
"""What a capture holds of each size; surplus is for whoever reads it, no rule does."""
THP_FOLDERS = ("sys/kernel/mm/transparent_hugepage", "sys/kernel/mm/redhat_transparent_hugepage")
"""Where kernels keep the settings; RHEL 6 has its own."""

_SIZE = re.compile(r"hugepages-(\d{1,12})kB/\w{1,40}", re.ASCII)
_CHOSEN = re.compile(r"\[([\w+-]{1,40})\]", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hugepages:
    """How many pages of one size were set aside, and how many of them nobody uses."""

    size_kibibytes: int
    total: int | None
    free: int | None
    reserved: int | None


def hugepages_of(snapshot: Snapshot) -> tuple[Hugepages, ...]:
    """Every size this kernel knows, the smallest first; none where the snapshot does not say."""
    sizes = {int(found[1]) for path, _ in snapshot.below(FOLDER) if (found := _SIZE.fullmatch(path))}
    return tuple(_of_size(snapshot, size) for size in sorted(sizes)[:16])


def _of_size(snapshot: Snapshot, size: int) -> Hugepages:
    total, free, reserved, _ = (
        _number(snapshot.text(f"{FOLDER}/hugepages-{size}kB/{name}")) for name in NAMES
    )
    return Hugepages(size_kibibytes=size, total=total, free=free, reserved=reserved)


def _number(text: str | None) -> int | None:
    # Without its end it may be half a number.
    return int(text) if text and re.fullmatch(r"\d{1,20}\s{0,8}\n", text, re.ASCII) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thp:
    """
    Settings in the kernel's words; None for a file that was not read.

    `enabled` is always, madvise or never; `defrag` also defer and defer+madvise (since 4.11).
    `khugepaged_defrag`, yes or no, says whether the daemon may compact; `khugepaged_pages_to_scan` how many
    pages it looks at in a round.
    """

    folder: str
    enabled: str | None
    defrag: str | None
    khugepaged_defrag: str | None
    khugepaged_pages_to_scan: int | None


def parse_choice(text: str) -> str | None:
    """
    The word in brackets of a setting that lists its choices; None where there is none.

    Source: mm/huge_memory.c, enabled_show(), defrag_show().
    """
    found = _CHOSEN.search(text[:400])
    return found[1] if found else None


def thp_of(snapshot: Snapshot) -> Thp | None:
    """The settings of this kernel; None where it has no transparent hugepages or they were not read."""
    folder = next((at for at in THP_FOLDERS if snapshot.text(f"{at}/enabled") is not None), None)
    if folder is None:
        return None
    pages = snapshot.line(f"{folder}/khugepaged/pages_to_scan") or ""
    return Thp(
        folder=folder,
        enabled=parse_choice(snapshot.text(f"{folder}/enabled") or ""),
        defrag=parse_choice(snapshot.text(f"{folder}/defrag") or ""),
        khugepaged_defrag=_yes_or_no(snapshot.line(f"{folder}/khugepaged/defrag")),
        khugepaged_pages_to_scan=int(pages) if pages.isdecimal() and len(pages) < 20 else None,
    )


def _yes_or_no(text: str | None) -> str | None:
    # RHEL 6 writes "[yes] no", mainline 1 or 0.
    return parse_choice(text) or {"1": "yes", "0": "no"}.get(text) if text else None
