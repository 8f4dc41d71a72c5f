# SPDX-License-Identifier: GPL-2.0-or-later
"""
/proc/slabinfo: what each slab cache holds. Readable by root only.

    slabinfo - version: 2.1
    dentry   812345 815640    192   21    1 : tunables    0    0    0 : slabdata  38840  38840      0
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.memory.proc.counters import whole_lines

MAX_CACHES = 8192

_LINE = re.compile(
    r"(?P<name>\S{1,80}) {1,40}(?P<active>\d{1,20}) {1,20}(?P<objects>\d{1,20}) {1,20}(?P<size>\d{1,10})"
    r" {1,20}(?P<per_slab>\d{1,10}) {1,20}(?P<pages>\d{1,6}) : tunables[ \d]{1,80} : slabdata"
    r" {1,20}(?P<active_slabs>\d{1,20}) {1,20}(?P<slabs>\d{1,20}) {1,20}\d{1,20}[^\n]{0,400}",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slab:
    """One cache. Caches of one size may share a name: SLUB merges them."""

    name: str
    active_objects: int
    objects: int
    object_size_bytes: int
    objects_per_slab: int
    pages_per_slab: int
    active_slabs: int
    slabs: int

    @property
    def pages(self) -> int:
        """The pages the whole cache takes, empty objects included."""
        return self.slabs * self.pages_per_slab


def parse_slabinfo(text: str) -> tuple[Slab, ...]:
    """
    Read version 2.0 and 2.1 of /proc/slabinfo, the largest cache first.

    Source: mm/slab_common.c, cache_show() (until 3.x mm/slab.c, s_show()).
    """
    found = (_LINE.fullmatch(line) for line in whole_lines(text)[:MAX_CACHES])
    slabs = [_slab(line) for line in found if line]
    return tuple(sorted(slabs, key=lambda slab: slab.pages, reverse=True))


def _slab(line: re.Match[str]) -> Slab:
    return Slab(
        name=line["name"],
        active_objects=int(line["active"]),
        objects=int(line["objects"]),
        object_size_bytes=int(line["size"]),
        objects_per_slab=int(line["per_slab"]),
        pages_per_slab=int(line["pages"]),
        active_slabs=int(line["active_slabs"]),
        slabs=int(line["slabs"]),
    )
