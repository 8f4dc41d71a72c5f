# SPDX-License-Identifier: GPL-2.0-or-later
"""Quotes from /proc and /sys: the lines of a capture that a finding about memory rests on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.kernel.pages.zone import Zone, zone_name
from keepsane.memory.proc.cgroup import CGROUP_ROOTS
from keepsane.memory.proc.vmstat import spellings
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import MemorySample, MemoryState
from keepsane.report import Evidence

VMSTAT, ZONEINFO, MEMINFO = "proc/vmstat", "proc/zoneinfo", "proc/meminfo"
PRESSURE = "proc/pressure/memory"


def quote_file(
    state: MemoryState, path: str, pattern: str | re.Pattern[str] = r".", note: str = ""
) -> Iterator[Evidence]:
    """Quote the first line of the newest `path` in which `pattern` is found; nothing where there is none."""
    for sample in reversed(state.samples):
        found = _quoted(sample.snapshot, path, pattern, note, _name(state, sample))
        if found is not None:
            yield found
            return


def quote_risen(state: MemoryState, name: str, note: str = "") -> Iterator[Evidence]:
    """
    Quote the vmstat counter `name` of the first and of the last sample.

    Of several spellings (one per zone) those that rose, and what each rose by. Where none did, the last
    sample alone is quoted, and says so.
    """
    first, last = state.first.vmstat, state.last.vmstat
    every = spellings(last, name)
    risen = [one for one in every if first is None or last is None or first.get(one) != last.get(one)]
    for sample in (state.first, state.last) if risen and state.first is not state.last else (state.last,):
        for spelling in risen or every[:1]:
            pattern = re.compile(rf"^{re.escape(spelling)} ")
            said = note or _said_risen(state, spelling) if sample is state.last else ""
            found = _quoted(sample.snapshot, VMSTAT, pattern, said, _name(state, sample))
            if found is not None:
                yield found


def _said_risen(state: MemoryState, name: str) -> str:
    first, last = state.first.vmstat, state.last.vmstat
    if state.first is state.last or first is None or last is None:
        return ""
    before, after = first.get(name), last.get(name)
    if before is None or after is None or after < before:
        return ""
    seconds = "" if state.interval_seconds is None else f" in {state.interval_seconds:.0f} s"
    return f"{after - before} more{seconds}" if after > before else "did not rise"


def quote_change(state: MemoryState, path: str, pattern: str | re.Pattern[str]) -> Iterator[Evidence]:
    """Quote the line of `path` in which `pattern` is found, of the first and of the last sample."""
    for sample in (state.first, state.last) if state.first is not state.last else (state.last,):
        found = _quoted(sample.snapshot, path, pattern, "", _name(state, sample))
        if found is not None:
            yield found


def quote_zone(state: MemoryState, sample: MemorySample, zone: Zone) -> Iterator[Evidence]:
    """Quote what zoneinfo says of a zone's free pages, with its watermarks in the note."""
    head, inside = f"Node {zone.node}, zone {zone.name}".replace(" ", ""), False
    for number, line in enumerate((sample.snapshot.text(ZONEINFO) or "").splitlines(), 1):
        if line.startswith("Node "):
            inside = line.replace(" ", "") == head
        elif inside and line.lstrip().startswith("pages free"):
            note = f"{zone_name(zone)}: low {zone.low_pages}, high {zone.high_pages}"
            yield Evidence(number, line.strip(), note, f"{_name(state, sample)}/{ZONEINFO}")
            return


def cgroup_file(state: MemoryState, path: str, name: str) -> str:
    """The file of a control group, under the root where the samples have it."""
    inner = f"{path.strip('/')}/{name}".lstrip("/")
    files = [f"{root}/{inner}" for root in CGROUP_ROOTS]
    known = (file for file in files for one in state.samples if one.snapshot.text(file) is not None)
    return next(known, files[-1])


def _name(state: MemoryState, sample: MemorySample) -> str:
    return f"t{state.samples.index(sample)}"


def _quoted(
    snapshot: Snapshot, path: str, pattern: str | re.Pattern[str], note: str, name: str
) -> Evidence | None:
    for number, line in enumerate((snapshot.text(path) or "").splitlines(), 1):
        if line.strip() and re.search(pattern, line):
            return Evidence(number, line.strip(), note, f"{name}/{path}")
    return None
