# SPDX-License-Identifier: GPL-2.0-or-later
"""
/proc/meminfo and nodeN/meminfo.

    MemTotal:       24684092 kB
    Node 0 MemFree:         5690656 kB
    HugePages_Total:       0
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.memory.proc.counters import Counters, counters, whole_lines

_LINE = re.compile(
    r"(?:Node [ ]{0,8}\d{1,5} )?(?P<name>[\w()]{1,60}):[ \t]{1,80}(?P<number>\d{1,20})(?P<unit> kB)?[ \r]*",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meminfo:
    """
    What meminfo lists, under the kernel's names.

    `kibibytes` has the lines that end in kB ("MemAvailable", "Active(file)"), `counts` those without a unit
    ("HugePages_Total": hugepages of Hugepagesize each).
    """

    kibibytes: Counters
    counts: Counters


def parse_meminfo(text: str) -> Meminfo:
    """
    Read /proc/meminfo, or a node's meminfo, whose lines begin with "Node 0 ".

    Accepted format:
        MemTotal:       24684092 kB

    A name that is missing stays missing: MemAvailable is absent before 3.14.
    Source: fs/proc/meminfo.c, meminfo_proc_show(); drivers/base/node.c, node_read_meminfo().
    """
    lines = [found for line in whole_lines(text) if (found := _LINE.fullmatch(line))]
    return Meminfo(
        kibibytes=counters((found["name"], int(found["number"])) for found in lines if found["unit"]),
        counts=counters((found["name"], int(found["number"])) for found in lines if not found["unit"]),
    )
