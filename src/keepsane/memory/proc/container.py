# SPDX-License-Identifier: GPL-2.0-or-later
"""
Whose numbers these are: a container sees the host's /proc, unless lxcfs puts its own files over it.

    0::/docker/0123...                                                  /proc/1/cgroup
    lxcfs /proc/meminfo fuse.lxcfs rw,nosuid,nodev,relatime 0 0         /proc/mounts
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from keepsane.memory.snapshot import Snapshot

MARKS = {".dockerenv": "docker", "run/.containerenv": "podman"}
"""Files that a container manager leaves in the root of its containers."""
MANAGER = "run/systemd/container"
"""Where systemd writes the manager's name, or what the manager put there."""
MAX_CHARACTERS = 65_536
"""Of /proc/1/cgroup, which has a line for each of a dozen controllers."""

_CGROUP = re.compile(r"\b(docker|kubepods|lxc|libpod|containerd|machine-[\w.-]{1,50}nspawn)\b")
_LXCFS = re.compile(r"^\S{1,80} /proc/(\w{1,40}) fuse\.lxcfs ", re.MULTILINE)


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
