# SPDX-License-Identifier: GPL-2.0-or-later
"""
What does not change while a machine runs: its kernel, command line, CPUs and page size, and whose numbers
these are. A container sees the host's /proc, unless lxcfs puts its own files over it.

    187245.32 360021.44                                           /proc/uptime
    Linux version 6.1.0-56-cloud-amd64 (debian-...                /proc/version
    0::/docker/0123...                                            /proc/1/cgroup
    lxcfs /proc/meminfo fuse.lxcfs rw,nosuid,nodev,relatime 0 0   /proc/mounts
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from keepsane.memory.proc.cgroup import parse_own_cgroup
from keepsane.memory.proc.counters import parse_counters
from keepsane.memory.proc.meminfo import parse_meminfo
from keepsane.memory.proc.numa import NODES, parse_list
from keepsane.memory.snapshot import Snapshot

PAGE_SIZES_KIBIBYTES = (4, 8, 16, 64)
"""Every page size that Linux runs with, but for hexagon's."""
BOOT_ID = "proc/sys/kernel/random/boot_id"
UPTIMES = ("sos_commands/host/uptime", "sos_commands/general/uptime")
"""Where newer and older sosreports keep what uptime(1) said."""
ONLINE_CPUS = "sys/devices/system/cpu/online"
MARKS = {".dockerenv": "docker", "run/.containerenv": "podman"}
"""Files that a container manager leaves in the root of its containers."""
MANAGER = "run/systemd/container"
"""Where systemd writes the manager's name, or what the manager put there."""
MAX_CHARACTERS = 65_536
"""Of /proc/1/cgroup, which has a line for each of a dozen controllers."""

_UPTIME = re.compile(r"(\d{1,10}\.\d\d)(?: |\n)")
_UP = re.compile(r"\bup {1,2}(?:(\d{1,6}) days?, {1,4})?(?:(\d{1,2}):(\d\d)|(\d{1,2}) min)\b")
_VERSION = re.compile(r"Linux version (\S{1,200}) ")
_UNAME = re.compile(r"Linux \S{1,255} (\d\S{1,200}) ")
_PROCESSOR = re.compile(r"^processor\s{0,8}:", re.MULTILINE)
_ALLOWED = re.compile(r"^Mems_allowed_list:[ \t]{1,8}([\d,-]{1,4000})$", re.MULTILINE)
_STATUS = re.compile(r"([1-9]\d{0,9})/status", re.ASCII)
_NAME = re.compile(r"^Name:[ \t]{1,8}(.{1,64})$", re.MULTILINE)
_CGROUP = re.compile(r"\b(docker|kubepods|lxc|libpod|containerd|machine-[\w.-]{1,50}nspawn)\b")
_LXCFS = re.compile(r"^\S{1,80} /proc/(\w{1,40}) fuse\.lxcfs ", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """
    The machine a snapshot is of; what the snapshot does not say is None.

    `page_kibibytes` is what one page must have, since meminfo and vmstat both say the size of the same slabs.
    `cmdline` is the kernel's command line, in words. `boot_id` changes with every boot.
    """

    release: str | None
    cmdline: tuple[str, ...] | None
    cpus: int | None
    page_kibibytes: int | None
    boot_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process whose memory is asked about: the nodes it may use, and its control group of version 2."""

    pid: int
    comm: str | None
    mems: tuple[int, ...] | None
    cgroup: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """
    The numbers were read inside a container; `why` says how that is known.

    `replaced` are the files of /proc that lxcfs answers for the container ("meminfo"); all others are the
    host's.
    """

    kind: str
    why: str
    replaced: tuple[str, ...] = ()


def parse_uptime(text: str) -> float | None:
    """Seconds since boot, from /proc/uptime; None where it does not begin with them."""
    found = _UPTIME.match(text)
    return float(found[1]) if found else None


def uptime_of(snapshot: Snapshot) -> float | None:
    """
    Seconds since boot, from /proc/uptime, or to the minute from what uptime(1) said in a sosreport.

    Accepted format of the latter:
        10:53:05 up 10 days,  2:45,  3 users,  load average: 0.00, 0.01, 0.05
    """
    exact = parse_uptime(snapshot.text("proc/uptime") or "")
    if exact is not None:
        return exact
    found = next((found for path in UPTIMES if (found := _UP.search(snapshot.text(path) or ""))), None)
    if found is None:
        return None
    days, hours, minutes, only = (int(part or 0) for part in found.groups())
    return float(days * 86400 + hours * 3600 + (minutes + only) * 60)


def release_of(snapshot: Snapshot) -> str | None:
    """The kernel's release, from /proc/sys/kernel/osrelease, /proc/version or uname(1)."""
    exact = snapshot.line("proc/sys/kernel/osrelease")
    if exact:
        return exact
    found = _VERSION.match(snapshot.text("proc/version") or "") or _UNAME.match(
        snapshot.text("sos_commands/kernel/uname_-a") or ""
    )
    return found[1] if found else None


def machine_of(snapshot: Snapshot) -> Machine:
    """What the snapshot says about the machine itself."""
    cmdline = snapshot.line("proc/cmdline")
    return Machine(
        release=release_of(snapshot),
        cmdline=None if cmdline is None else tuple(cmdline.split()),
        cpus=_cpus(snapshot),
        page_kibibytes=_page_kibibytes(snapshot),
        boot_id=snapshot.line(BOOT_ID),
    )


def process_of(snapshot: Snapshot) -> Process | None:
    """The process whose /proc/PID/status was read, the one with the lowest number; None where none was."""
    found = (_STATUS.fullmatch(path) for path, _ in snapshot.below("proc"))
    pid = min((int(path[1]) for path in found if path), default=None)
    if pid is None:
        return None
    status = snapshot.text(f"proc/{pid}/status") or ""
    allowed, name = _ALLOWED.search(status), _NAME.search(status)
    return Process(
        pid=pid,
        comm=name[1] if name else None,
        mems=parse_list(allowed[1]) if allowed else None,
        cgroup=parse_own_cgroup(snapshot.text(f"proc/{pid}/cgroup") or ""),
    )


def option(machine: Machine, name: str) -> str | None:
    """The last value that the command line gives to `name`: "" for the bare word, None where it is absent."""
    found = [word.partition("=") for word in machine.cmdline or () if word.partition("=")[0] == name]
    return found[-1][2] if found else None


def _cpus(snapshot: Snapshot) -> int | None:
    online = snapshot.line(ONLINE_CPUS)
    by_node = [text for path, text in snapshot.below(NODES) if path.endswith("/cpulist")]
    if online or by_node:
        return len(parse_list(online)) if online else sum(len(parse_list(text)) for text in by_node)
    return len(_PROCESSOR.findall(snapshot.text("proc/cpuinfo") or "")) or None


def _page_kibibytes(snapshot: Snapshot) -> int | None:
    kibibytes = parse_meminfo(snapshot.text("proc/meminfo") or "").kibibytes.get("SUnreclaim")
    pages = parse_counters(snapshot.text("proc/vmstat") or "").get("nr_slab_unreclaimable")
    if not kibibytes or not pages or pages < 0:
        return None
    size = min(PAGE_SIZES_KIBIBYTES, key=lambda size: abs(size - kibibytes / pages))
    # Slabs come and go between the two files, but not by half.
    return size if size * 0.75 < kibibytes / pages < size * 1.5 else None


def container_of(snapshot: Snapshot) -> Container | None:
    """The container the snapshot was taken in; None where nothing speaks of one, which is no proof."""
    replaced = tuple(sorted(set(_LXCFS.findall(snapshot.text("proc/mounts") or ""))))[:20]
    kind, why = next(_signs(snapshot), ("", ""))
    if replaced and not kind:
        kind, why = "lxc", "lxcfs is mounted over /proc"
    return Container(kind=kind, why=why, replaced=replaced) if kind else None


def _signs(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    for path, kind in MARKS.items():
        if snapshot.text(path) is not None:
            yield kind, f"/{path} exists"
    if manager := snapshot.line(MANAGER):
        yield manager[:40], f"/{MANAGER} says so"
    groups = (
        line.partition(":/")[2]
        for line in (snapshot.text("proc/1/cgroup") or "")[:MAX_CHARACTERS].split("\n")
    )
    if found := next(filter(None, map(_CGROUP.search, groups)), None):
        yield found[1], f"/proc/1/cgroup names {found[1]}"
