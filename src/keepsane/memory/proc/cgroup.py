# SPDX-License-Identifier: GPL-2.0-or-later
"""
Memory of control groups, version 2.

    memory.max       max
    memory.events    low 0 / high 12 / max 3 / oom 0 / oom_kill 0
    0::/system.slice/postgresql.service            /proc/PID/cgroup

Source: mm/memcontrol.c, memory_files[]; kernel/cgroup/cpuset.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from keepsane.memory.proc.counters import Counters, parse_counters
from keepsane.memory.proc.numa import parse_list
from keepsane.memory.proc.psi import parse_pressure
from keepsane.memory.snapshot import Snapshot

CGROUP_ROOTS = ("sys/fs/cgroup/unified", "sys/fs/cgroup")
"""Where version 2 is mounted: beside version 1 (hybrid), or alone."""
MAX_CGROUPS = 256
CHEAP_FILES = ("memory.current", "memory.events", "memory.pressure")
"""What a sample each second may read."""
LIMIT_FILES = ("memory.max", "memory.high", "memory.low", "memory.swap.current", "cpuset.mems.effective")
COSTLY_FILES = ("memory.stat",)
"""Reading memory.stat makes the kernel sum up every CPU's share."""

Limit = int | Literal["max"] | None
"""Bytes, "max" where there is no limit, None where the file was not read."""

_FILE = re.compile(r"(?:(?P<path>.{1,1000})/)?(?:memory|cpuset)\.[\w.]{1,40}")
_OWN = re.compile(r"^0::(/[^\n]{0,4000}+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cgroup:
    """
    One control group; `path` begins with a slash, "/" is the root, which has no limits of its own.

    `events` counts since the group was made: low, high, max, oom, oom_kill. `mems` are the nodes that its
    tasks may use.
    """

    path: str
    memory_max_bytes: Limit
    memory_high_bytes: Limit
    events: Counters | None
    stat: Counters | None
    pressure: Counters | None
    mems: tuple[int, ...] | None


def parse_own_cgroup(text: str) -> str | None:
    """
    The path of a process in version 2, from /proc/PID/cgroup; None where only version 1 is there.

    Accepted format:
        0::/system.slice/postgresql.service
    Source: kernel/cgroup/cgroup.c, proc_cgroup_show().
    """
    found = _OWN.search(text)
    return found[1] if found else None


def parse_limit(text: str) -> Limit:
    """Read a limit in bytes, or the word max; None for anything else."""
    word = text.strip()
    if word == "max":
        return "max"
    return int(word) if word.isdecimal() and word.isascii() and len(word) <= 20 else None


def cgroups_of(snapshot: Snapshot) -> tuple[Cgroup, ...]:
    """The control groups that the snapshot has memory files of, by path, at most MAX_CGROUPS."""
    for root in CGROUP_ROOTS:
        found = (_FILE.fullmatch(path) for path, _ in snapshot.below(root))
        paths = sorted({match["path"] or "" for match in found if match and _is_v2(snapshot, root, match)})
        if paths:
            return tuple(_cgroup(snapshot, root, path) for path in paths[:MAX_CGROUPS])
    return ()


def _is_v2(snapshot: Snapshot, root: str, found: re.Match[str]) -> bool:
    # Version 1 has memory.stat too, in a folder of the controller's name; only version 2 has these.
    folder = f"{root}/{found['path']}" if found["path"] else root
    return any(f"{folder}/{name}" in snapshot.files for name in (*CHEAP_FILES, *LIMIT_FILES))


def _cgroup(snapshot: Snapshot, root: str, path: str) -> Cgroup:
    folder = f"{root}/{path}" if path else root

    def text(name: str) -> str | None:
        return snapshot.text(f"{folder}/{name}")

    events, stat, pressure = text("memory.events"), text("memory.stat"), text("memory.pressure")
    mems = text("cpuset.mems.effective")
    return Cgroup(
        path="/" + path,
        memory_max_bytes=parse_limit(text("memory.max") or ""),
        memory_high_bytes=parse_limit(text("memory.high") or ""),
        events=None if events is None else parse_counters(events),
        stat=None if stat is None else parse_counters(stat),
        pressure=None if pressure is None else parse_pressure(pressure),
        mems=None if mems is None else parse_list(mems),
    )
