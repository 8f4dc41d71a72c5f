# SPDX-License-Identifier: GPL-2.0-or-later
"""
The nodes of the machine, from /sys/devices/system/node.

    node0/numastat   numa_hit 8969243
    has_memory       0-1
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.memory.proc.counters import Counters, parse_counters
from keepsane.memory.proc.meminfo import Meminfo, parse_meminfo
from keepsane.memory.snapshot import Snapshot

NODES = "sys/devices/system/node"
MAX_NUMBERS = 8192
"""The kernel's own limit on CPUs; it has 1,024 nodes at most."""

_NODE = re.compile(r"node(\d{1,5})/(\w{1,20})", re.ASCII)
_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """
    One node; what was not read is None.

    `has_memory` follows from meminfo where the kernel has no such list (before 2.6.25).
    `numastat` has numa_hit, numa_miss, numa_foreign, interleave_hit, local_node and other_node.
    """

    node: int
    has_memory: bool | None
    meminfo: Meminfo | None
    vmstat: Counters | None
    numastat: Counters | None


def parse_list(text: str) -> tuple[int, ...]:
    """
    Read a list of CPUs or nodes; empty for an empty one, and a part that is no range is passed over.

    Accepted format:
        0-3,8,10-11
    Source: lib/vsprintf.c, bitmap_list_string().
    """
    numbers: list[int] = []
    for part in text.strip().split(",")[:MAX_NUMBERS]:
        if found := _RANGE.fullmatch(part.strip()):
            first, last = int(found[1]), int(found[2] or found[1])
            numbers.extend(range(first, min(last, first + MAX_NUMBERS - 1) + 1))
        if len(numbers) >= MAX_NUMBERS:
            break
    return tuple(numbers[:MAX_NUMBERS])


def nodes_of(snapshot: Snapshot) -> tuple[Node, ...]:
    """The nodes that the snapshot has files of, in order; none where the kernel is built without NUMA."""
    memory = snapshot.text(f"{NODES}/has_memory")
    with_memory = None if memory is None else frozenset(parse_list(memory))
    numbers = sorted({int(found[1]) for path, _ in snapshot.below(NODES) if (found := _NODE.fullmatch(path))})
    return tuple(_node(snapshot, number, with_memory) for number in numbers)


def _node(snapshot: Snapshot, number: int, with_memory: frozenset[int] | None) -> Node:
    folder = f"{NODES}/node{number}"
    meminfo, vmstat = snapshot.text(f"{folder}/meminfo"), snapshot.text(f"{folder}/vmstat")
    numastat = snapshot.text(f"{folder}/numastat")
    parsed = None if meminfo is None else parse_meminfo(meminfo)
    return Node(
        node=number,
        has_memory=_has_memory(parsed) if with_memory is None else number in with_memory,
        meminfo=parsed,
        vmstat=None if vmstat is None else parse_counters(vmstat),
        numastat=None if numastat is None else parse_counters(numastat),
    )


def _has_memory(meminfo: Meminfo | None) -> bool | None:
    total = None if meminfo is None else meminfo.kibibytes.get("MemTotal")
    return None if total is None else total > 0
