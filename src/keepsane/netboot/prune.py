# SPDX-License-Identifier: GPL-2.0-or-later
"""Which builds may go: the oldest, but none that is a machine's good one, or that one may still boot."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from keepsane.netboot.store import Build

KEEP = 10
MAX_KEPT_BYTES = 20 << 30


def to_remove(
    builds: Sequence[Build], wanted: Collection[str], sizes: Sequence[int], keep: int, most_bytes: int
) -> list[Build]:
    """
    Choose among builds, the newest first, each with what it takes of the disk.

    The newest `keep` stay as long as they have room in `most_bytes`; what is `wanted` stays, and takes room.
    """
    gone = []
    used = sum(size for build, size in zip(builds, sizes, strict=True) if build.id in wanted)
    kept = 0
    for build, size in zip(builds, sizes, strict=True):
        if build.id in wanted:
            continue
        kept += 1
        used += size
        if kept > keep or used > most_bytes:
            gone.append(build)
    return gone
