# SPDX-License-Identifier: GPL-2.0-or-later
"""
What shows in the kernel's own counters that a capture of the lab is what its name says.

A counter is a name of /proc/vmstat, where `allocstall` is the sum over the zones, or `cgroup.NAME` of the
memory.events of the lab's control group. Figures are per second, and far below what was measured: they tell a
condition from its absence, not a fast machine from a slow one.
"""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

Files = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`above` rose at least, `below` rose at most this much a second; `promised` must fall when it is mended."""

    above: Mapping[str, float] = field(default_factory=dict)
    below: Mapping[str, float] = field(default_factory=dict)
    promised: str | None = None


def read_files(capture: Path) -> tuple[Files, Files]:
    """The first and the last sample of a capture: text by path."""
    with tarfile.open(capture) as archive:
        files = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
        texts = {name: opened.read().decode() for name, opened in files.items() if opened}
    last = max(int(name[1 : name.index("/")]) for name in texts)
    first, final = (
        {name.removeprefix(top): text for name, text in texts.items() if name.startswith(top)}
        for top in ("t0/", f"t{last}/")
    )
    return first, final


def rate(first: Files, last: Files, counter: str) -> float:
    """How fast the counter rose from one sample to the other, per second."""
    seconds = _uptime(last) - _uptime(first)
    return (_counter(last, counter) - _counter(first, counter)) / seconds


def _uptime(files: Files) -> float:
    return float(files["proc/uptime"].split()[0])


def _counter(files: Files, counter: str) -> int:
    if counter.startswith("cgroup."):
        return _sum(files["sys/fs/cgroup/lab/memory.events"], counter.removeprefix("cgroup."))
    return _sum(files["proc/vmstat"], counter)


def _sum(text: str, counter: str) -> int:
    lines = [line.split() for line in text.splitlines()]
    found = [int(value) for name, value in lines if name == counter or name.startswith(f"{counter}_")]
    exact = [int(value) for name, value in lines if name == counter]
    return sum(exact or found)
