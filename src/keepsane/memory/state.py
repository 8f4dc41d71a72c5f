# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a machine's memory did between two moments: the fact that the rules judge.

Counters since boot say nothing about now, so they are only ever compared: a rate is the difference of two
samples over the difference of their uptimes. Without a second sample, or over a reboot, it is None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeVar

from keepsane.kernel.pages.zone import Zone
from keepsane.memory.kernel_log import KernelLog, kernel_log_of
from keepsane.memory.proc.buddyinfo import Blocks, parse_buddyinfo
from keepsane.memory.proc.cgroup import Cgroup, cgroups_of
from keepsane.memory.proc.counters import Counters, parse_counters
from keepsane.memory.proc.hugepages import Hugepages, Thp, hugepages_of, thp_of
from keepsane.memory.proc.machine import (
    Container,
    Machine,
    Process,
    container_of,
    machine_of,
    process_of,
    uptime_of,
)
from keepsane.memory.proc.meminfo import Meminfo, parse_meminfo
from keepsane.memory.proc.numa import Node, nodes_of
from keepsane.memory.proc.pagetypeinfo import Pagetypeinfo, parse_pagetypeinfo
from keepsane.memory.proc.psi import parse_pressure, stalled_percent
from keepsane.memory.proc.slabinfo import Slab, parse_slabinfo
from keepsane.memory.proc.sysctl import sysctl, whole_number
from keepsane.memory.proc.vmstat import vmstat
from keepsane.memory.proc.zoneinfo import parse_zoneinfo
from keepsane.memory.snapshot import TIME, Missing, Snapshot

T = TypeVar("T")

_TIME = re.compile(r"\d{1,11}(?:\.\d{1,9})?", re.ASCII)

MAX_DAMAGES = 4
"""Different damages that are told; what is wrong with the first samples is mostly wrong with all."""


class Rate(NamedTuple):
    """How fast a counter rose up to this moment, since the sample before."""

    uptime_seconds: float
    per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySample:
    """
    One moment; a file that was not read is None, and `missing` says why where that was not planned.

    `epoch_seconds` is the time of day. `snapshot` is what all this was parsed from; it is not rendered.
    """

    uptime_seconds: float | None
    epoch_seconds: float | None
    meminfo: Meminfo | None
    vmstat: Counters | None
    zoneinfo: tuple[Zone, ...] | None
    buddyinfo: Blocks | None
    pagetypeinfo: Pagetypeinfo | None
    slabs: tuple[Slab, ...] | None
    nodes: tuple[Node, ...]
    cgroups: tuple[Cgroup, ...]
    memory_pressure: Counters | None
    io_pressure: Counters | None
    missing: tuple[Missing, ...]
    snapshot: Snapshot = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryState:
    """
    A machine, and its memory from `first` to `last`; both are the same sample where there is only one.

    `interval_seconds` is None for a single sample: those from before a restart are left out. `between` are
    the samples in between, most of them with the cheap files only. `log` is what the kernel log reports,
    None where it was not read. `notes` say in words what a reader of the numbers must know.
    """

    machine: Machine
    container: Container | None
    process: Process | None
    thp: Thp | None
    hugepages: tuple[Hugepages, ...]
    log: KernelLog | None
    first: MemorySample
    last: MemorySample
    between: tuple[MemorySample, ...] = ()
    interval_seconds: float | None
    notes: tuple[str, ...] = ()

    @property
    def samples(self) -> tuple[MemorySample, ...]:
        """All samples in order of time."""
        return (self.first,) if self.first is self.last else (self.first, *self.between, self.last)

    def newest(self, what: Callable[[MemorySample], T | None]) -> T | None:
        """The last value that `what` gives for a sample: a broken-off capture has no full last one."""
        return next((value for sample in reversed(self.samples) if (value := what(sample)) is not None), None)

    def sysctl(self, name: str) -> str | None:
        """The newest value of a setting ("vm.zone_reclaim_mode"); None where the kernel has none."""
        return self.newest(lambda sample: sysctl(sample.snapshot, name) or None)

    def sysctl_number(self, name: str) -> int | None:
        """The same where it is one whole number; what an older sample said does not stand in for it."""
        return whole_number(self.sysctl(name) or "")

    def delta(self, name: str) -> int | None:
        """By how much the vmstat counter `name` rose from first to last, under whatever spelling it has."""
        return self._risen(lambda sample: _counter(sample.vmstat, name))

    def rate(self, name: str) -> float | None:
        """The same, per second."""
        return self._per_second(self.delta(name))

    def node_rate(self, node: int, name: str) -> float | None:
        """How fast a counter of the node's vmstat or numastat rose, per second."""
        return self._per_second(self._risen(lambda sample: _node_counter(sample, node, name)))

    def cgroup_delta(self, path: str, name: str) -> int | None:
        """By how much an event of the control group `path` rose: max, oom_kill, ..."""
        return self._risen(lambda sample: _cgroup_event(sample, path, name))

    def cgroup_rate(self, path: str, name: str) -> float | None:
        """The same, per second."""
        return self._per_second(self.cgroup_delta(path, name))

    def cgroup_stalled_percent(self, path: str) -> float | None:
        """The share of the interval in which some task of the control group `path` stood still for memory."""
        first, last = (_cgroup_stall(sample, path) for sample in (self.first, self.last))
        return stalled_percent(first, last, self.interval_seconds)

    def rates(self, name: str) -> tuple[Rate, ...]:
        """The counter's rate from each sample to the next, where both have it: short bursts show here."""
        found: list[Rate] = []
        before: tuple[float, int] | None = None
        for sample in self.samples if self.interval_seconds else ():
            number, at = _counter(sample.vmstat, name), sample.uptime_seconds
            if number is None or at is None:
                continue
            if before and at > before[0] and number >= before[1]:
                found.append(Rate(at, (number - before[1]) / (at - before[0])))
            before = (at, number)
        return tuple(found)

    def stalled_percent(
        self, resource: Literal["memory", "io"], who: Literal["some", "full"]
    ) -> float | None:
        """The share of the interval in which some task, or all, stood still for the resource."""
        first, last = (_stall(sample, resource, who) for sample in (self.first, self.last))
        return stalled_percent(first, last, self.interval_seconds)

    def _risen(self, counter: Callable[[MemorySample], int | None]) -> int | None:
        before, after = counter(self.first), counter(self.last)
        if self.interval_seconds is None or before is None or after is None or after < before:
            return None
        return after - before

    def _per_second(self, delta: int | None) -> float | None:
        return delta / self.interval_seconds if delta is not None and self.interval_seconds else None


def sample_of(snapshot: Snapshot) -> MemorySample:
    """Parse every file of one snapshot."""

    def parsed(path: str, parse: Callable[[str], T]) -> T | None:
        text = snapshot.text(path)
        return parse(text) if text else None  # the kernel prints none of these empty

    return MemorySample(
        uptime_seconds=uptime_of(snapshot),
        epoch_seconds=_seconds(snapshot.line(TIME)),
        meminfo=parsed("proc/meminfo", parse_meminfo),
        vmstat=parsed("proc/vmstat", parse_counters),
        zoneinfo=parsed("proc/zoneinfo", parse_zoneinfo),
        buddyinfo=parsed("proc/buddyinfo", parse_buddyinfo),
        pagetypeinfo=parsed("proc/pagetypeinfo", parse_pagetypeinfo),
        slabs=parsed("proc/slabinfo", parse_slabinfo),
        nodes=nodes_of(snapshot),
        cgroups=cgroups_of(snapshot),
        memory_pressure=parsed("proc/pressure/memory", parse_pressure),
        io_pressure=parsed("proc/pressure/io", parse_pressure),
        missing=snapshot.missing,
        snapshot=snapshot,
    )


def state_of(snapshots: Iterable[Snapshot]) -> MemoryState | None:
    """
    Put samples together, in the order of time; None where there is not one.

    Samples from before a restart, or of another machine, are left out and counted in the notes: the settings
    and sizes of one are nothing to the counters of the other. The facts about the machine and the process are
    those of the first sample that is left.
    """
    every = tuple(sample_of(snapshot) for snapshot in snapshots)
    samples = _of_one_boot(every)
    if not samples:
        return None
    first, last = samples[0], samples[-1]
    machine = machine_of(first.snapshot)
    interval = _interval(first, last)
    return MemoryState(
        machine=machine,
        container=container_of(first.snapshot),
        process=process_of(first.snapshot),
        thp=thp_of(first.snapshot),
        hugepages=hugepages_of(last.snapshot) or hugepages_of(first.snapshot),
        log=kernel_log_of([sample.snapshot for sample in samples], machine.release),
        first=first,
        last=last,
        between=samples[1:-1],
        interval_seconds=interval,
        notes=tuple(_notes(every, samples, interval)),
    )


def _of_one_boot(samples: tuple[MemorySample, ...]) -> tuple[MemorySample, ...]:
    """Give the samples of the last boot among these."""
    first = len(samples) - 1
    while first > 0 and _is_before(samples[first - 1], samples[first]):
        first -= 1
    return samples[max(first, 0) :]


def _is_before(first: MemorySample, last: MemorySample) -> bool:
    """Tell whether a sample may be an earlier one of the same boot."""
    before, after = machine_of(first.snapshot), machine_of(last.snapshot)
    # A sosreport has no boot id, and no machine changes its kernel without a restart.
    if _differ(before.boot_id, after.boot_id) or _differ(before.release, after.release):
        return False
    known = first.uptime_seconds is not None and last.uptime_seconds is not None
    return not known or (first.uptime_seconds or 0) <= (last.uptime_seconds or 0)


def _notes(
    every: tuple[MemorySample, ...], samples: tuple[MemorySample, ...], interval: float | None
) -> list[str]:
    damages = dict.fromkeys(sample.snapshot.damage for sample in every if sample.snapshot.damage)
    notes = list(damages)[:MAX_DAMAGES]
    if len(every) > len(samples):
        left_out = len(every) - len(samples)
        notes.append(f"left out: {left_out} from before a restart, or of another machine or kernel")
    if len(samples) == 1:
        notes.append("there is one sample only: what is happening cannot be told, only what is there")
    elif interval is None and None in (samples[0].uptime_seconds, samples[-1].uptime_seconds):
        notes.append("a sample has no uptime: how much time passed is not known")
    slow = {missing.path for sample in samples for missing in sample.missing if missing.reason == "too slow"}
    if slow:
        paths = ", ".join(sorted(slow)[:8])
        notes.append(
            f"took over 5 ms to read, so those due each second or every 10 s come less often: {paths}"
        )
    return notes


def _differ(before: str | None, after: str | None) -> bool:
    return None not in (before, after) and before != after


def _interval(first: MemorySample, last: MemorySample) -> float | None:
    before, after = first.uptime_seconds, last.uptime_seconds
    if before is None or after is None or after <= before:
        return None
    return after - before


def _seconds(text: str | None) -> float | None:
    found = _TIME.fullmatch(text or "")
    return float(found[0]) if found else None


def _counter(found: Counters | None, name: str) -> int | None:
    return None if found is None else vmstat(found, name)


def _node_counter(sample: MemorySample, number: int, name: str) -> int | None:
    node = next((node for node in sample.nodes if node.node == number), None)
    if node is None:
        return None
    found = _counter(node.vmstat, name)
    return _counter(node.numastat, name) if found is None else found


def _cgroup_event(sample: MemorySample, path: str, name: str) -> int | None:
    events = next((group.events for group in sample.cgroups if group.path == path), None)
    return None if events is None else events.get(name)


def _cgroup_stall(sample: MemorySample, path: str) -> int | None:
    pressure = next((group.pressure for group in sample.cgroups if group.path == path), None)
    return None if pressure is None else pressure.get("some")


def _stall(sample: MemorySample, resource: str, who: str) -> int | None:
    pressure = sample.memory_pressure if resource == "memory" else sample.io_pressure
    return None if pressure is None else pressure.get(who)
