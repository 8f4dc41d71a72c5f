# SPDX-License-Identifier: GPL-2.0-or-later
"""
/proc/vmstat and nodeN/vmstat: one name for each counter, whatever this kernel calls it.

    pgscan_direct_normal 4711        until 4.7, one per zone
    pgscan_direct 4711               since 4.8

Counters count since boot: only the difference of two samples says what is happening.
Source: mm/vmstat.c, vmstat_text[] of 2.6.24 to 6.18; include/linux/vm_event_item.h.
"""

from __future__ import annotations

from keepsane.memory.proc.counters import Counters

ZONE_SUFFIXES = ("dma", "dma32", "normal", "high", "movable", "device")
"""How vmstat spells the zones. No prefix is searched for: pgscan_direct_throttle is no zone."""

PER_ZONE = frozenset(
    {
        "allocstall",  # one number until 4.7, one per zone since 4.8
        "pgalloc",
        "pgrefill",  # per zone until 4.7
        "pgscan_direct",  # the same
        "pgscan_kswapd",
        "pgskip",
        "pgsteal_direct",  # per zone from 3.5 to 4.7
        "pgsteal_kswapd",
    }
)
"""Counters that some kernels split by zone: their sum is meant."""

OLDER_NAMES = {
    "thp_split_page": "thp_split",  # until 4.4
    # Until 5.8 only refaults of file pages were counted, so the old names are the file's.
    "workingset_refault_file": "workingset_refault",
    "workingset_activate_file": "workingset_activate",
    "workingset_restore_file": "workingset_restore",
    "pgsteal_kswapd": "kswapd_steal",  # until 3.4
}
"""What a counter was called before."""


def vmstat(found: Counters, name: str) -> int | None:
    """
    The counter that kernels of today call `name`, under whatever spelling this kernel has it.

    None where it has no such counter: 6.1 does not count zone_reclaim_success, which is not zero.
    """
    number = found.get(name)
    if number is None and name in PER_ZONE:
        number = found.total(f"{name}_{zone}" for zone in ZONE_SUFFIXES)
    if number is None and name in OLDER_NAMES:
        number = found.get(OLDER_NAMES[name])
    if number is None and name == "pgsteal_direct":
        number = _steal_by_others(found)
    return number


def _steal_by_others(found: Counters) -> int | None:
    # Until 3.4 pgsteal_ZONE counted what anybody freed, and kswapd_steal kswapd's part of it.
    everybody, kswapd = found.total(f"pgsteal_{zone}" for zone in ZONE_SUFFIXES), found.get("kswapd_steal")
    return None if everybody is None or kswapd is None else max(everybody - kswapd, 0)


def spellings(found: Counters | None, name: str) -> tuple[str, ...]:
    """The names under which this kernel's vmstat has the counter, as the file spells them."""
    per_zone = tuple(f"{name}_{zone}" for zone in ZONE_SUFFIXES) if name in PER_ZONE else ()
    for spelt in ((name,), per_zone, (OLDER_NAMES.get(name, name),)):
        there = tuple(name for name in spelt if found is not None and found.get(name) is not None)
        if there:
            return there
    return ()
