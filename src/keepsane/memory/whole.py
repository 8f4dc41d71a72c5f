# SPDX-License-Identifier: GPL-2.0-or-later
"""
Whether what was read is all that the kernel said: a copy of a file may have been cut off, by a full disk say.

Of the files named here the kernel prints at least a line, and each of its lines has an end. Of the settings
it prints whole numbers: where one holds anything else, it is not the kernel that wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from keepsane.memory.snapshot import Snapshot

VITAL = ("proc/vmstat", "proc/meminfo")
"""Without one of these nothing can be said of a machine's memory as a whole."""

_NEVER_EMPTY = re.compile(
    r"proc/(?:uptime|vmstat|meminfo|zoneinfo|buddyinfo)|sys/devices/system/node/node\d{1,5}/(?:vmstat|meminfo)",
    re.ASCII,
)
_SETTINGS = re.compile(
    r"proc/sys/(?:vm/(?:zone_reclaim_mode|min_free_kbytes|watermark_(?:scale|boost)_factor|vfs_cache_pressure"
    r"|compaction_proactiveness|lowmem_reserve_ratio|swappiness|dirty_(?:background_)?(?:bytes|ratio)"
    r"|nr_(?:overcommit_)?hugepages)|kernel/numa_balancing)"
)
"""Settings that rules read as numbers."""
_NUMBERS = re.compile(r"[-\d\s]{1,4096}+", re.ASCII)


def cut_words(files: Mapping[str, str]) -> str:
    """Say which of the files are empty or have lost their end; "" where none has."""
    cut = sorted(path for path in files if _NEVER_EMPTY.fullmatch(path) and not files[path].endswith("\n"))
    if not cut:
        return ""
    others = "" if len(cut) == 1 else f" and {len(cut) - 1} more"
    verb = "is" if len(cut) == 1 else "are"
    return f"{cut[0]}{others} {verb} empty or cut off (was a disk full when it was copied?)"


def foreign_words(files: Mapping[str, str]) -> str:
    """Name a setting that holds no number; "" where none does."""
    found = (
        path for path in sorted(files) if _SETTINGS.fullmatch(path) and not _NUMBERS.fullmatch(files[path])
    )
    path = next(found, None)
    return "" if path is None else f"{path} holds no number, which the kernel never writes"


def unmeasured_words(snapshots: Iterable[Snapshot]) -> str:
    """Say why no verdict can rest on these samples; "" where nothing stands against one."""
    every = tuple(snapshots)
    for number, snapshot in enumerate(every):
        if said := cut_words(snapshot.files) or foreign_words(snapshot.files):
            return f"in sample t{number} {said}"
    for path in VITAL:
        if not any(path in snapshot.files for snapshot in every):
            return f"/{path} was not read"
    return ""
