# SPDX-License-Identifier: GPL-2.0-or-later
"""
/proc/slabinfo: what each slab cache holds. Readable by root only.

    slabinfo - version: 2.1
    dentry   812345 815640    192   21    1 : tunables    0    0    0 : slabdata  38840  38840      0
"""

from __future__ import annotations

import re
from typing import NamedTuple

from keepsane.memory.proc.counters import whole_lines

MAX_CACHES = 8192

_LINE = re.compile(
    r"(?P<name>\S{1,80}) {1,40}\d{1,20} {1,20}\d{1,20} {1,20}\d{1,10} {1,20}\d{1,10} {1,20}"
    r"(?P<pages_per_slab>\d{1,6}) : tunables[ \d]{1,80} : slabdata"
    r" {1,20}\d{1,20} {1,20}(?P<slabs>\d{1,20}) {1,20}\d{1,20}[^\n]{0,400}",
    re.ASCII,
)


class Slab(NamedTuple):
    """One cache, and the pages it takes, empty objects included. SLUB merges caches of one size."""

    name: str
    pages: int


def parse_slabinfo(text: str) -> tuple[Slab, ...]:
    """
    Read version 2.0 and 2.1 of /proc/slabinfo, the largest cache first.

    Source: mm/slab_common.c, cache_show() (until 3.x mm/slab.c, s_show()).
    """
    found = (_LINE.fullmatch(line) for line in whole_lines(text)[:MAX_CACHES])
    slabs = [Slab(line["name"], int(line["slabs"]) * int(line["pages_per_slab"])) for line in found if line]
    return tuple(sorted(slabs, key=lambda slab: slab.pages, reverse=True))
