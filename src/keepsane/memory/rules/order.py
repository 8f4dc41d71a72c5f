# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which of several findings about memory is the verdict: the graver first, and a cause before what comes of it.

A node that is scanned by zone reclaim also has major faults, refaults and stalls. Those are named below it.
"""

from __future__ import annotations

from collections.abc import Iterable

from keepsane.report import Finding

_SEVERITIES = ("error", "warning", "note", "info")
CAUSES_FIRST = (
    *("memcg-limit-not-host", "oom-kill-now", "zone-reclaim-biting", "movable-only-mems", "bind-starved"),
    *("hugepage-hoard", "cma-hoard", "min-free-too-large", "lowmem-32bit", "dma32-exhausted"),
    *("highatomic-hoard", "slab-growth", "pgtable-bloat", "thrash-anon", "real-shortage", "thrash-file"),
    *("swap-with-free", "node-imbalance", "thp-direct-compact", "fragmentation-high-order"),
    *("thp-split-storm", "unmovable-pollution", "huge-cache-lru-spike", "global-direct-reclaim"),
    *("kswapd-too-late", "min-free-too-small", "boost-pressure", "dentry-inode-hoard"),
    *("dirty-writeback-stall", "numa-balancing-cost", "khugepaged-scan", "zone-reclaim-in-vain"),
    *("zone-reclaim-armed", "dma-zone-gone", "psi-silent-warning"),
)
"""A rule stands before those that it explains: what they see comes of what it found."""


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings: by severity, then a cause before its consequences."""
    return tuple(sorted(findings, key=lambda found: (_SEVERITIES.index(found.severity), _rank(found.rule))))


def _rank(rule: str) -> int:
    return CAUSES_FIRST.index(rule) if rule in CAUSES_FIRST else len(CAUSES_FIRST)
