# SPDX-License-Identifier: GPL-2.0-or-later
"""Quotes from /proc and /sys: the lines of a capture that a finding about memory rests on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.kernel.pages.zone import Zone, zone_name
from keepsane.memory.proc.cgroup import CGROUP_ROOTS
from keepsane.memory.proc.vmstat import spellings
from keepsane.memory.state import MemorySample, MemoryState
from keepsane.report import Evidence

VMSTAT, ZONEINFO, MEMINFO = "proc/vmstat", "proc/zoneinfo", "proc/meminfo"
PRESSURE = "proc/pressure/memory"


def quote_file(
    state: MemoryState, path: str, pattern: str | re.Pattern[str] = r".", note: str = ""
) -> Iterator[Evidence]:
    """Quote the first line of the newest `path` in which `pattern` is found; nothing where there is none."""
    found = (_quoted(state, sample, path, pattern, note) for sample in reversed(state.samples))
    yield from next((quotes for quotes in found if quotes), ())


def quote_meminfo(state: MemoryState, *names: str) -> Iterator[Evidence]:
    """Quote the newest lines of meminfo that are called so."""
    for name in names:
        yield from quote_file(state, MEMINFO, rf"^{name}:")


def quote_change(state: MemoryState, path: str, pattern: str | re.Pattern[str]) -> Iterator[Evidence]:
    """Quote the line of `path` in which `pattern` is found, of the first and of the last sample."""
    for sample in _ends(state):
        yield from _quoted(state, sample, path, pattern)


def quote_pressure(state: MemoryState, path: str = PRESSURE) -> Iterator[Evidence]:
    """Quote how long some task stood still, of the first and of the last sample."""
    return quote_change(state, path, r"^some ")


def quote_risen(state: MemoryState, *names: str) -> Iterator[Evidence]:
    """
    Quote vmstat counters of the first and of the last sample.

    Of several spellings (one per zone) those that rose, and what each rose by. Where none did, the last
    sample alone is quoted, and says so.
    """
    for name in names:
        yield from _quote_counter(state, name)


def _quote_counter(state: MemoryState, name: str) -> Iterator[Evidence]:
    first, last = state.first.vmstat, state.last.vmstat
    every = spellings(last, name)
    risen = [name for name in every if first is None or last is None or first.get(name) != last.get(name)]
    for sample in _ends(state) if risen else (state.last,):
        for spelling in risen or every[:1]:
            note = _risen_words(state, spelling) if sample is state.last else ""
            yield from _quoted(state, sample, VMSTAT, rf"^{re.escape(spelling)} ", note)


def _risen_words(state: MemoryState, name: str) -> str:
    first, last = state.first.vmstat, state.last.vmstat
    if state.first is state.last or first is None or last is None:
        return ""
    before, after = first.get(name), last.get(name)
    if before is None or after is None or after < before:
        return ""
    seconds = "" if state.interval_seconds is None else f" in {state.interval_seconds:.0f} s"
    return f"{after - before} more{seconds}" if after > before else "did not rise"


def quote_zone(state: MemoryState, zone: Zone, *names: str) -> Iterator[Evidence]:
    """Quote lines of a zone in the newest zoneinfo: "min", "managed", or else what is free."""
    sample = state.newest(lambda sample: sample if sample.zoneinfo else None)
    for name in names or ("free",):
        yield from _zone_line(state, sample, zone, name, zone_name(zone)) if sample else ()


def quote_marks(state: MemoryState, sample: MemorySample, *zones: Zone | None) -> Iterator[Evidence]:
    """Quote what is free in the zones, with their watermarks in the note."""
    for zone in filter(None, zones):
        note = f"{zone_name(zone)}: low {zone.low_pages}, high {zone.high_pages}"
        yield from _zone_line(state, sample, zone, "free", note)


def _zone_line(
    state: MemoryState, sample: MemorySample, zone: Zone, name: str, note: str
) -> Iterator[Evidence]:
    head, inside = f"Node{zone.node},zone{zone.name}", False
    wanted = re.compile(rf"\s{{1,16}}(?:pages )?{re.escape(name)}[: ].*")
    for number, line in enumerate((sample.snapshot.text(ZONEINFO) or "").splitlines(), 1):
        if line.startswith("Node "):
            inside = line.replace(" ", "") == head
        elif inside and wanted.fullmatch(line):
            yield Evidence(number, line.strip(), note, f"{_name(state, sample)}/{ZONEINFO}")
            return


def cgroup_file(state: MemoryState, path: str, name: str) -> str:
    """The file of a control group, under the root where the samples have it."""
    inner = f"{path.strip('/')}/{name}".lstrip("/")
    files = [f"{root}/{inner}" for root in CGROUP_ROOTS]
    known = (file for file in files for sample in state.samples if sample.snapshot.text(file) is not None)
    return next(known, files[-1])


def _ends(state: MemoryState) -> tuple[MemorySample, ...]:
    return (state.first,) if state.first is state.last else (state.first, state.last)


def _name(state: MemoryState, sample: MemorySample) -> str:
    return f"t{state.samples.index(sample)}"


def _quoted(
    state: MemoryState, sample: MemorySample, path: str, pattern: str | re.Pattern[str], note: str = ""
) -> tuple[Evidence, ...]:
    for number, line in enumerate((sample.snapshot.text(path) or "").splitlines(), 1):
        if line.strip() and re.search(pattern, line):
            return (Evidence(number, line.strip(), note, f"{_name(state, sample)}/{path}"),)
    return ()
