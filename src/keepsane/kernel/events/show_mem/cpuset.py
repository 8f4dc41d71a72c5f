# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which nodes a request was allowed: its own mask, and the task's cpuset.

    ..., nodemask=(null),cpuset=/,mems_allowed=0-1                  one line since 5.0
    ifconfig cpuset=/ mems_allowed=0                                a line of its own before

Source: kernel/cgroup/cpuset.c, cpuset_print_current_mems_allowed(); lib/bitmap.c, bitmap_list_string().
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from keepsane.model import LogRecord

MAX_NODES = 1024
"""MAX_NUMNODES of every configuration."""
_NODEMASK = re.compile(r"nodemask=(\(null\)|[\d,-]{1,400})")
_CPUSET = re.compile(r"cpuset=(?P<cpuset>[^\s,]{1,255})(?:[\s,]{1,8}+mems_allowed=(?P<mems>[\d,-]{1,400}))?")
_MEMS = re.compile(r"(?:^|[\s,])mems_allowed=([\d,-]{1,400})")
_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:,|$)")


class AllowedNodes(NamedTuple):
    """The request's `nodemask`, the task's `cpuset` and its nodes, `mems_allowed`; None where not said."""

    nodemask: tuple[int, ...] | None = None
    cpuset: str | None = None
    mems_allowed: tuple[int, ...] | None = None


def parse_nodes(text: str) -> tuple[int, ...] | None:
    """
    Read a list of node numbers; None where the text is none, such as `(null)`.

    Accepted format:
        0-1,4
    """
    nodes: list[int] = []
    end = 0
    while end < len(text) and (found := _RANGE.match(text, end)):
        end = found.end()
        last = int(found[2] or found[1])
        nodes += range(int(found[1]), min(last, MAX_NODES) + 1)
    return tuple(nodes[:MAX_NODES]) if nodes and end >= len(text) else None


def parse_allowed_nodes(records: Iterable[LogRecord]) -> AllowedNodes:
    """Read what the lines of a block say of nodes and cpuset, each at its first place."""
    nodemask = cpuset = mems = None
    for record in records:
        text = record.text
        if "nodemask=" in text or "cpuset=" in text or "mems_allowed=" in text:
            mask, group = _NODEMASK.search(text), _CPUSET.search(text)
            said = (group and group["mems"]) or ((alone := _MEMS.search(text)) and alone[1])
            nodemask = nodemask or (mask and mask[1]) or None
            cpuset = cpuset or (group and group["cpuset"]) or None
            mems = mems or said or None
    return AllowedNodes(
        nodemask=parse_nodes(nodemask) if nodemask else None,
        cpuset=cpuset,
        mems_allowed=parse_nodes(mems) if mems else None,
    )
