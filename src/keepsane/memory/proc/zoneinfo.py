# SPDX-License-Identifier: GPL-2.0-or-later
"""
/proc/zoneinfo: every zone with its watermarks, and what is on its lists.

    Node 0, zone   Normal
      pages free     665822
            boost    0
            min      14099
            ...
            protection: (0, 0, 0, 0, 0)
          nr_free_pages 665822

Everything is in pages. Source: mm/vmstat.c, zoneinfo_show_print().
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from keepsane.kernel.pages.zone import Zone
from keepsane.memory.proc.counters import Counters, counters, whole_lines

MAX_ZONES = 4096
"""Zones beyond these are not read: 1,024 nodes, the kernel's limit, with four zones each."""

_HEAD = re.compile(r"Node (?P<node>\d{1,5}), zone {1,9}(?P<name>\w{1,16})[ \r]*", re.ASCII)
_NUMBER = re.compile(r"[ \t]{1,16}(?:pages )?(?P<name>\w{1,60}):?[ \t]{1,60}(?P<number>\d{1,20})\b", re.ASCII)
_PROTECTION = re.compile(r"[ \t]{1,16}protection: \((?P<pages>[\d, ]{1,200})\)", re.ASCII)
_WATERMARKS = ("free", "min", "low", "high")


def parse_zoneinfo(text: str) -> tuple[Zone, ...]:
    """
    Read /proc/zoneinfo of 2.6.24 and later: all zones in the kernel's order.

    A zone whose watermarks are cut off is left out. An unpopulated zone has no lines after its protection.
    Source: mm/vmstat.c, zoneinfo_show_print().
    """
    zones = (_zone(name, node, _own(lines)) for name, node, lines in _blocks(whole_lines(text)))
    return tuple(zone for zone in zones if zone is not None)


def _blocks(lines: Iterable[str]) -> list[tuple[str, int, list[str]]]:
    blocks: list[tuple[str, int, list[str]]] = []
    for line in lines:
        if head := _HEAD.fullmatch(line):
            if len(blocks) == MAX_ZONES:
                break
            blocks.append((head["name"], int(head["node"]), []))
        elif blocks:
            blocks[-1][2].append(line)
    return blocks


def _own(lines: list[str]) -> list[str]:
    """The zone's own lines: before them, with a node's first zone, kernels since 4.8 print the node's."""
    if not lines or lines[0].strip() != "per-node stats":
        return lines
    begins = (at for at, line in enumerate(lines) if line.lstrip().startswith("pages free"))
    return lines[next(begins, len(lines)) :]


def _numbers(lines: Iterable[str]) -> Counters:
    return counters((found["name"], int(found["number"])) for line in lines if (found := _NUMBER.match(line)))


def _zone(name: str, node: int, lines: list[str]) -> Zone | None:
    at = next((at for at, line in enumerate(lines) if line.strip() == "pagesets"), len(lines))
    # "high" and "count" mean something else in the pagesets; the lines after them repeat no name.
    own, sets = _numbers(lines[:at]), lines[at:]
    free, low_to_high = own.get("free"), [own.get(mark) for mark in _WATERMARKS[1:]]
    if free is None or None in low_to_high:
        return None
    minimum, low, high = (mark or 0 for mark in low_to_high)
    return Zone(
        name=name,
        node=node,
        free_pages=free,
        min_pages=minimum,
        low_pages=low,
        high_pages=high,
        boost_pages=own.get("boost"),
        present_pages=own.get("present"),
        managed_pages=own.get("managed"),
        free_cma_pages=own.get("nr_free_cma"),
        free_pcp_pages=_on_cpu_lists(sets),
        active_file_pages=_on_list(own, "active_file"),
        inactive_file_pages=_on_list(own, "inactive_file"),
        active_anon_pages=_on_list(own, "active_anon"),
        inactive_anon_pages=_on_list(own, "inactive_anon"),
        unaccepted_pages=own.get("nr_unaccepted"),
        all_unreclaimable=_unreclaimable(_numbers(sets)),
        lowmem_reserve_pages=_protection(lines),
    )


def _on_list(own: Counters, name: str) -> int | None:
    # nr_zone_* since 4.8, when the lists moved to the node; before, the zone's lines had the plain names.
    number = own.get(f"nr_zone_{name}")
    return own.get(f"nr_{name}") if number is None else number


def _on_cpu_lists(sets: list[str]) -> int | None:
    counts = [
        int(found["number"]) for line in sets if (found := _NUMBER.match(line)) and found["name"] == "count"
    ]
    return sum(counts) if counts else None


def _unreclaimable(after: Counters) -> bool | None:
    # Printed for the zone until 4.7, for its node since.
    number = after.total(("all_unreclaimable", "node_unreclaimable"))
    return None if number is None else number != 0


def _protection(lines: Iterable[str]) -> tuple[int, ...] | None:
    found = next((found for line in lines if (found := _PROTECTION.match(line))), None)
    return tuple(int(part) for part in found["pages"].split(",") if part.strip().isdigit()) if found else None
