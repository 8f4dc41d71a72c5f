# SPDX-License-Identifier: GPL-2.0-or-later
"""
The line of a zone in a memory report.

    Node 0 DMA free:7712kB boost:0kB min:324kB low:404kB high:484kB reserved_highatomic:0KB ... free_cma:0kB
    lowmem_reserve[]: 0 1961 1961 1961 1961
    DMA free:476kB min:360kB low:448kB high:540kB active:384kB ... present:8192kB all_unreclaimable? no   2.6

Source: mm/show_mem.c, show_free_areas() (until 6.3 mm/page_alloc.c).
"""

from __future__ import annotations

import re
from typing import Any

from keepsane.kernel.events.show_mem.lines import ZONE_NAME
from keepsane.kernel.log.groups import read
from keepsane.kernel.pages.zone import Zone

ZONE = re.compile(ZONE_NAME + r" free:\s*\d")
AMOUNT = re.compile(r"(?<![\w)])([a-z_]{2,32}(?:\((?:anon|file)\))?): ?(\d{1,15})[kK]B")
"""A counter in kibibytes: `min:324kB`, `isolated(anon):0kB`, `shmem_thp: 0kB`, `reserved_highatomic:0KB`."""
_UNRECLAIMABLE = re.compile(r"all_unreclaimable\? (yes|no)")
_RESERVE = re.compile(r"lowmem_reserve\[\]:((?:\s{1,8}+\d{1,12}+){1,8})")
_WATERMARKS = ("free", "min", "low", "high")
_COUNTERS = (
    *_WATERMARKS,
    "boost",
    "present",
    "managed",
    "reserved_highatomic",
    "free_highatomic",
    "free_cma",
    "free_pcp",
    "local_pcp",
    "active",
    "inactive",
    "active_file",
    "inactive_file",
    "active_anon",
    "inactive_anon",
    "unaccepted",
)
# What closes the line, by age: 2.6.0 to 4.7, since 4.8, and kernels that print neither counter of pages.
_LAST = re.compile(r"all_unreclaimable\? (?:yes|no)|free_cma:\d{1,20}kB")
_ACTIVE = re.compile(r"\bactive:\d{1,20}kB")
_PRESENT = re.compile(r" present:\d{1,20}kB")


def parse_zone(text: str, line: int, page_bytes: int) -> Zone | None:
    """
    Read a zone, None where its line ends before the watermarks.

    Accepted format:
        Node 0 DMA free:7712kB boost:0kB min:324kB low:404kB high:484kB ... lowmem_reserve[]: 0 1961 1961 1961

    The kernel's kibibytes become pages. `protections[]` of 2.6.0 to 2.6.10 is not read: its values include
    the zone's own watermark in some of these kernels and do not in others.
    """
    found = ZONE.match(text)
    amounts = read_amounts(text)
    if found is None or not all(name in amounts for name in _WATERMARKS):
        return None
    pages: dict[str, Any] = {
        f"{name}_pages": amounts[name] * 1024 // page_bytes for name in _COUNTERS if name in amounts
    }
    reserve, unreclaimable = _RESERVE.search(text), _UNRECLAIMABLE.search(text)
    return read(
        Zone,
        found,
        line=line,
        all_unreclaimable=unreclaimable[1] == "yes" if unreclaimable else None,
        lowmem_reserve_pages=tuple(map(int, reserve[1].split())) if reserve else None,
        **pages,
    )


def read_amounts(text: str) -> dict[str, int]:
    """Read the counters of a line, in kibibytes by the kernel's names; of two alike the first."""
    return {name: int(number) for name, number in reversed(AMOUNT.findall(text))}


def is_cut(text: str) -> bool:
    """Tell whether a zone's line lacks the counter that every kernel prints last."""
    old = _ACTIVE.search(text)
    return _LAST.search(text) is None and (old is None or _PRESENT.search(text, old.end()) is None)
