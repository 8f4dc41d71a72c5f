# SPDX-License-Identifier: GPL-2.0-or-later
"""
Transparent hugepages and the multi-generational LRU: which choice is switched on.

    always defer defer+madvise [madvise] never      .../transparent_hugepage/defrag
    [always] madvise never                          .../redhat_transparent_hugepage/enabled, RHEL 6
    0x0007                                          lru_gen/enabled
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.memory.snapshot import Snapshot

THP_FOLDERS = ("sys/kernel/mm/transparent_hugepage", "sys/kernel/mm/redhat_transparent_hugepage")
"""Where kernels keep the settings; RHEL 6 has its own."""
LRU_GEN = "sys/kernel/mm/lru_gen/enabled"

_CHOSEN = re.compile(r"\[([\w+-]{1,40})\]", re.ASCII)
_BITS = re.compile(r"0x([0-9a-f]{1,8})")


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


def parse_lru_gen(text: str) -> int | None:
    """
    The bits of lru_gen/enabled: 1 the LRU itself, 2 and 4 how it clears accessed bits; 0 is the classic LRU.

    Source: mm/vmscan.c, enabled_show().
    """
    found = _BITS.fullmatch(text.strip())
    return int(found[1], 16) if found else None


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


def lru_gen_of(snapshot: Snapshot) -> int | None:
    """The bits of the multi-generational LRU; None where this kernel has none."""
    text = snapshot.text(LRU_GEN)
    return None if text is None else parse_lru_gen(text)
