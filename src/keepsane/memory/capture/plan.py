# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which files a sample reads, and how often: reading must not cause the latency it looks for.

Each second come only files that the kernel prints from sums it has. zoneinfo and buddyinfo walk every zone
and every CPU's lists; pagetypeinfo holds each zone's lock while it counts, and memory.stat sums up every CPU.
/proc/cpuinfo interrupts every CPU on some kernels and is never read; nor is vm.stat_refresh, which makes
all CPUs work when it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from keepsane.memory.proc.cgroup import CGROUP_ROOTS, CHEAP_FILES, COSTLY_FILES, LIMIT_FILES, parse_own_cgroup
from keepsane.memory.proc.hugepages import FOLDER as HUGEPAGES_FOLDER
from keepsane.memory.proc.hugepages import NAMES as HUGEPAGES
from keepsane.memory.proc.hugepages import THP_FOLDERS
from keepsane.memory.proc.machine import BOOT_ID, MANAGER, MARKS, ONLINE_CPUS
from keepsane.memory.proc.numa import NODES
from keepsane.memory.proc.sysctl import ACTIVE_PROFILE, PROFILE_FOLDERS, SYSCTL_CONF, SYSCTL_FOLDERS

CHEAP = ("proc/uptime", "proc/vmstat", "proc/pressure/memory", "proc/pressure/io", "proc/pressure/cpu")
SLOW = ("proc/meminfo", "proc/zoneinfo", "proc/buddyinfo")
ENDS = (
    BOOT_ID,
    "proc/sys/kernel/osrelease",
    "proc/sys/kernel/numa_balancing",
    "proc/swaps",
    "proc/slabinfo",
    "proc/pagetypeinfo",
    "sys/kernel/mm/lru_gen/enabled",
    *(f"{NODES}/{name}" for name in ("online", "has_memory")),
)
ONCE = ("proc/version", "proc/cmdline", "proc/mounts", "proc/1/cgroup", ONLINE_CPUS)
HINTS = (*MARKS, MANAGER, SYSCTL_CONF, ACTIVE_PROFILE)
"""Read once; that they are absent is the rule, and is not reported."""
NEVER = frozenset({"stat_refresh", "compact_memory", "drop_caches"})
"""Of /proc/sys/vm: reading the first makes every CPU work, the others are for writing."""

NODE_CHEAP, NODE_SLOW, NODE_ENDS = ("vmstat",), ("meminfo", "numastat"), ("distance", "cpulist")
THP_NAMES = ("enabled", "defrag", "khugepaged/defrag", "khugepaged/pages_to_scan")
MAX_NODES = 1024
MAX_CHILDREN = 64
MAX_FILES_IN_FOLDER = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    Paths without the leading slash: read each second, every 10 s, first and last, and only first.

    `hints` are read first too, and not reported where they are missing.
    """

    cheap: tuple[str, ...]
    slow: tuple[str, ...]
    ends: tuple[str, ...]
    once: tuple[str, ...]
    hints: tuple[str, ...]


def read_plan(root: Path, pid: int | None = None) -> Plan:
    """Look at which nodes, settings and control groups the machine under `root` has by now."""
    nodes = [f"{NODES}/{name}" for name in _listed(root / NODES, "node[0-9]*", MAX_NODES)]
    groups = _cgroups(root, "self" if pid is None else str(pid))
    status = () if pid is None else (f"proc/{pid}/status",)
    settings = [name for name in _listed(root / "proc/sys/vm", "*") if name not in NEVER]
    return Plan(
        cheap=(*CHEAP, *_each(nodes, NODE_CHEAP), *_each(groups, CHEAP_FILES)),
        slow=(*SLOW, *_each(nodes, NODE_SLOW)),
        ends=(
            *ENDS,
            *_each(nodes, NODE_ENDS),
            *_each(groups, (*LIMIT_FILES, *COSTLY_FILES)),
            *_each(["proc/sys/vm"], settings),
            *_each([name for name in THP_FOLDERS if (root / name).is_dir()], THP_NAMES),
            *_each(_sizes(root), HUGEPAGES),
            *status,
        ),
        once=(*ONCE, f"proc/{'self' if pid is None else pid}/cgroup"),
        hints=(*HINTS, *_configured(root)),
    )


def _sizes(root: Path) -> list[str]:
    return [f"{HUGEPAGES_FOLDER}/{name}" for name in _listed(root / HUGEPAGES_FOLDER, "hugepages-*kB", 16)]


def _each(folders: Iterable[str], names: Sequence[str]) -> Iterator[str]:
    return (f"{folder}/{name}" for folder in folders for name in names)


def _listed(folder: Path, pattern: str, limit: int = MAX_FILES_IN_FOLDER) -> list[str]:
    try:
        return sorted(path.name for path in folder.glob(pattern))[:limit]
    except OSError:
        return []


def _configured(root: Path) -> Iterator[str]:
    for folder in SYSCTL_FOLDERS:
        if not (root / folder).parent.is_symlink():  # /lib is /usr/lib on most machines
            yield from (f"{folder}/{name}" for name in _listed(root / folder, "*.conf"))
    for folder in PROFILE_FOLDERS:
        yield from (f"{folder}/{name}/tuned.conf" for name in _listed(root / folder, "*/"))


def _cgroups(root: Path, who: str) -> tuple[str, ...]:
    """The root of version 2, its children, and the process's own group with those above it."""
    top = next((at for at in CGROUP_ROOTS if (root / at / "cgroup.controllers").is_file()), None)
    if top is None:
        return ()
    children = _listed(root / top, "*/", MAX_CHILDREN)
    own = [part for part in _own(root, who).split("/") if part not in ("", ".", "..")]
    above = ["/".join(own[:depth]) for depth in range(1, len(own) + 1)]
    return (top, *(f"{top}/{name}" for name in dict.fromkeys([*children, *above])))


def _own(root: Path, who: str) -> str:
    try:
        return parse_own_cgroup((root / "proc" / who / "cgroup").read_text("utf-8", "replace")) or "/"
    except OSError:
        return "/"
