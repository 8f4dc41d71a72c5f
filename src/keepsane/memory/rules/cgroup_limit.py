# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits of control groups: the group has no memory left, the machine has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import LiteralString, NamedTuple

from keepsane.judge import CannotTell, Clear, rule
from keepsane.kernel.pages.advice import keep_limit, write
from keepsane.memory.proc.cgroup import Cgroup, Limit
from keepsane.memory.rules.amount import available_percent, least_kibibytes
from keepsane.memory.rules.quote import cgroup_file, quote_change, quote_file
from keepsane.memory.state import MemoryState
from keepsane.report import Advice, Finding, Severity
from keepsane.words import group_words, rate_words, share_words, size_words

_MEBIBYTE = 1 << 20


class Reached(NamedTuple):
    """A group that ran into one of its limits; `limit` is memory.max or memory.high."""

    path: str
    limit: str
    limit_bytes: int
    times: int
    killed: int


@rule("memcg-limit-not-host", on=MemoryState)
def memcg_limit_not_host(
    state: MemoryState, *, host_available_percent: float = 10.0, stalled_percent: float = 5.0
) -> Finding | Clear:
    """
    A control group is at its memory limit; the machine has memory left.

    What it means: the group reclaims its own pages, waits, and in the end one of its processes is killed. To
    the program in it, a container, this looks like a machine without memory.

    How we know: max or high in memory.events of a group with a limit rose, while MemAvailable of
    the machine is 10 % or more. Events count in the groups above too: the deepest one with a limit is meant.
    An error where a process was killed, a warning where the group stood still for memory (memory.pressure)
    5 % of the time, information where it did not.

    What to do: raise memory.max or memory.high, or let the program use less.

    When it is wrong: a group that reads many files fills its limit with page cache and gets along well.
    """
    damaged = any(sample.snapshot.damage for sample in state.samples)
    if {group.path for group in state.first.cgroups} == {"/"} and not damaged:
        return Clear("there is no control group that could have a limit")
    if not state.first.cgroups or state.interval_seconds is None:
        raise CannotTell("two samples of memory.events of version 2 control groups are needed")
    found = _reached(state)
    if found is None:
        if all(group.events is None for group in state.last.cgroups):
            raise CannotTell("memory.events of no control group was read")
        return Clear("no control group that was looked at ran into its limit")
    available = available_percent(state)
    size = size_words(found.limit_bytes / 1024)
    said = f"{found.path} ran {found.times} times into {found.limit} of {size}"
    if available is not None and available < host_available_percent:
        return Clear(f"{said}, but the machine is short too: {share_words(available)} is available")
    waited = state.cgroup_stalled_percent(found.path)
    return _is_at_limit(state, found, said, waited, _severity(found, waited, stalled_percent))


def _is_at_limit(
    state: MemoryState, found: Reached, said: str, waited: float | None, severity: Severity
) -> Finding:
    available = available_percent(state)
    parts = [said]
    if found.killed:
        parts.append(f"{found.killed} of its processes {'were' if found.killed > 1 else 'was'} killed")
    if waited is not None:
        parts.append(f"it stood still for memory {share_words(waited)} of the time")
    host = "" if available is None else f" {share_words(available)} of the machine's memory is available."
    events = cgroup_file(state, found.path, "memory.events")
    counted = ("max" if found.limit == "memory.max" else "high", *(("oom_kill",) if found.killed else ()))
    return Finding(
        severity=severity,
        confidence="medium" if available is None else "high",
        title=f"the control group {group_words(found.path)} is at its limit, the machine is not",
        evidence=(
            *quote_file(state, cgroup_file(state, found.path, found.limit)),
            *quote_file(state, cgroup_file(state, found.path, "memory.current")),
            *(quote for name in counted for quote in quote_change(state, events, rf"^{name} ")),
        ),
        explanation=f"{'; '.join(parts)}.{host}",
        advice=(_raise_limit(state, found),) if severity != "info" else (),
        references=(
            "Documentation/admin-guide/cgroup-v2.rst, memory.events",
            "mm/memcontrol.c, try_charge_memcg()",
        ),
    )


def _reached(state: MemoryState) -> Reached | None:
    """The deepest group that has a limit and ran into it; one whose processes were killed comes first."""
    found = [reached for group in state.last.cgroups for reached in _limits(state, group)]
    return max(found, key=lambda limit: (limit.killed > 0, limit.path.count("/"), limit.times), default=None)


def _limits(state: MemoryState, group: Cgroup) -> Iterator[Reached]:
    # oom_kill alone may be a kill for want of the machine's memory.
    oom, kills = state.cgroup_delta(group.path, "oom"), state.cgroup_delta(group.path, "oom_kill")
    killed = kills if oom and kills else 0
    for limit, event in (("memory.max", "max"), ("memory.high", "high")):
        size = _limit(state, group.path, limit)
        times = state.cgroup_delta(group.path, event) or 0
        if isinstance(size, int) and times:
            yield Reached(group.path, limit, size, times, killed if event == "max" else 0)


def _limit(state: MemoryState, path: str, name: str) -> Limit:
    for sample in (state.last, state.first):
        group = next((group for group in sample.cgroups if group.path == path), None)
        size = None if group is None else _of_group(group, name)
        if size is not None:
            return size
    return None


def _of_group(group: Cgroup, name: str) -> Limit:
    return group.memory_max_bytes if name == "memory.max" else group.memory_high_bytes


def _severity(found: Reached, waited: float | None, stalled_percent: float) -> Severity:
    if found.killed:
        return "error"
    if waited is None:
        return "note"
    return "warning" if waited >= stalled_percent else "info"


def _raise_limit(state: MemoryState, found: Reached) -> Advice:
    """Size the limit by what the group holds and the machine has; no command for less than an eighth more."""
    available = least_kibibytes(state, "MemAvailable")
    wanted = found.limit_bytes * (3 if _is_mostly_cache(state, found.path) else 1)
    more = min(wanted, (available or 0) * 1024 // 2) // _MEBIBYTE * _MEBIBYTE
    event = found.limit.removeprefix("memory.")
    seconds = state.interval_seconds or 1
    often = rate_words(found.times / seconds)
    verify = f"`{event}` in memory.events of the group rises by less than {often} per second"
    if 8 * more < found.limit_bytes:
        return Advice(text="let the program use less, or move it to a larger machine", verify=verify)
    value = found.limit_bytes + more
    file = "/" + cgroup_file(state, found.path, found.limit)
    name: LiteralString = "MemoryMax" if found.limit == "memory.max" else "MemoryHigh"
    return write(
        file,
        value,
        found.limit_bytes,
        text=f"raise {found.limit} to {size_words(value / 1024)}, and again where that is not enough; to "
        f"keep it: {keep_limit(found.path, name, value)}",
        verify=verify,
        risk="as much less for the rest of the machine",
    )


def _is_mostly_cache(state: MemoryState, path: str) -> bool:
    # Page cache grows into what it is given, and is given back as soon as others need it.
    groups = (group for sample in reversed(state.samples) for group in sample.cgroups)
    stat = next((group.stat for group in groups if group.path == path and group.stat is not None), None)
    file, anon = (stat.get("file"), stat.get("anon")) if stat is not None else (None, None)
    return file is not None and anon is not None and file > anon
