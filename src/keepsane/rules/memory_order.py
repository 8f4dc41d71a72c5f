# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which of several findings about memory is the verdict: the graver first, and a cause before what comes of it.

A node that is scanned by zone reclaim also has major faults, refaults and stalls. Those are named below it.
"""

from __future__ import annotations

from collections.abc import Iterable

from keepsane.model import Finding

_SEVERITIES = ("error", "warning", "note", "info")
CAUSES_FIRST = (
    "oom-kill-now",
    "memcg-limit-not-host",
    "zone-reclaim-biting",
    "movable-only-mems",
    "bind-starved",
    "hugepage-hoard",
    "lowmem-32bit",
    "dma32-exhausted",
    "highatomic-hoard",
    "cma-hoard",
    "slab-growth",
    "dentry-inode-hoard",
    "pgtable-bloat",
    "real-shortage",
    "thrash-anon",
    "thrash-file",
    "node-imbalance",
    "swap-with-free",
    "thp-direct-compact",
    "thp-split-storm",
    "fragmentation-high-order",
    "unmovable-pollution",
    "huge-cache-lru-spike",
    "kswapd-too-late",
    "global-direct-reclaim",
    "min-free-too-large",
    "min-free-too-small",
    "boost-pressure",
    "dirty-writeback-stall",
    "numa-balancing-cost",
    "khugepaged-scan",
    "zone-reclaim-in-vain",
    "zone-reclaim-armed",
)
"""Rules in the order in which one of them explains those after it."""


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings: by severity, then a cause before its consequences."""
    return tuple(sorted(findings, key=lambda one: (_SEVERITIES.index(one.severity), _rank(one.rule))))


def _rank(rule: str) -> int:
    return CAUSES_FIRST.index(rule) if rule in CAUSES_FIRST else len(CAUSES_FIRST)
