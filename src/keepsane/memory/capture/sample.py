# SPDX-License-Identifier: GPL-2.0-or-later
"""
Sample a live machine: the cheap files each second, the others less often, each read timed.

Root is not needed. What may not be read is said in each snapshot's `missing`.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path

from keepsane.memory.capture.plan import Plan, read_plan
from keepsane.memory.proc.klog import read_klog
from keepsane.memory.snapshot import DMESG, TIME, Missing, Reason, Snapshot

LIVE = Path("/")
"""The machine this runs on; another root is another machine's files, whose kernel log is not here."""
SLOW_MILLISECONDS = 5.0
"""A read that takes more is demoted: from each second to every 10 s, from there to first and last."""
SLOW_EVERY = 10
MAX_FILE_BYTES = 4 << 20
CHUNK_BYTES = 1 << 16
OPTIONAL_FOLDERS = ("sys/fs/cgroup/", "sys/kernel/mm/transparent_hugepage/", "sys/kernel/mm/redhat")
"""Folders in which it depends on the machine which files are there."""

_REASONS: dict[int, Reason] = {
    errno.ENOENT: "absent",
    errno.ENODEV: "absent",  # a control group or a node that went away while its file was open
    errno.ENOTDIR: "absent",
    errno.ESRCH: "absent",
    errno.EACCES: "not permitted",
    errno.EPERM: "not permitted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """
    What sampling knows of time. `cost` times a read: the CPU it took, for on a machine in trouble the wall
    clock would count how long the reader itself had to wait, and the file would be blamed for it.
    """

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    cost: Callable[[], float] = time.thread_time
    now: Callable[[], float] = time.time


@dataclass(slots=True)
class _Reader:
    """Reads files under `root`, and keeps open those that are read again."""

    root: Path
    cost: Callable[[], float]
    opened: dict[str, int] = field(default_factory=dict)

    def read(self, path: str, *, again: bool) -> tuple[str | Missing, float]:
        """The text of `path`, or why there is none, and the milliseconds it cost."""
        began = self.cost()
        try:
            said: str | Missing = self._text(path, again)
        except OSError as error:
            self._forget(path)
            said = Missing(path=path, reason=_REASONS.get(error.errno or 0, "unreadable"))
        return said, (self.cost() - began) * 1000

    def _text(self, path: str, again: bool) -> str | Missing:
        file = self.opened.get(path)
        if file is None:
            file = os.open(self.root / path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            self.opened[path] = file
        pieces, size = [], 0
        while piece := os.pread(file, CHUNK_BYTES, size):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_FILE_BYTES:
                self._forget(path)
                return Missing(path=path, reason="too large")
        if not again:
            self._forget(path)
        return b"".join(pieces).decode("utf-8", "replace")

    def _forget(self, path: str) -> None:
        file = self.opened.pop(path, None)
        if file is not None:
            os.close(file)

    def close(self) -> None:
        """Close every file that is still open."""
        for path in list(self.opened):
            self._forget(path)


@dataclass(slots=True)
class _Schedule:
    """What is due when; files move to a slower list, or off the lists where they cannot be read."""

    cheap: list[str]
    slow: list[str]
    ends: list[str]
    first: list[str]
    quiet: frozenset[str]

    def due(self, number: int, *, whole: bool) -> list[str]:
        ends = number == 0 or whole
        return [
            *self.cheap,
            *(self.slow if ends or number % SLOW_EVERY == 0 else ()),
            *(self.ends if ends else ()),
            *(self.first if number == 0 else ()),
        ]

    def demote(self, path: str, *, to_ends: bool) -> None:
        if path in self.cheap:
            self.cheap.remove(path)
            (self.ends if to_ends else self.slow).append(path)
        elif path in self.slow:
            self.slow.remove(path)
            self.ends.append(path)


def read_samples(
    *,
    root: Path = LIVE,
    seconds: int | None = 30,
    pid: int | None = None,
    clocks: Clocks | None = None,
    stopped: Callable[[], bool] = lambda: False,
    whole: Callable[[], bool] = lambda: False,
) -> Generator[Snapshot, None, None]:
    """
    Yield one snapshot a second, the first and the last with everything there is.

    It ends after `seconds`, or where `stopped` says so, which is asked before each sample; None: only then.
    `whole` is asked before each sample too, and says whether this one should have everything but the log.
    `pid` adds the process's status and control group. The files are those of the machine under `root`.
    """
    clocks = clocks or Clocks()
    reader = _Reader(root, clocks.cost)
    schedule = _scheduled(read_plan(root, pid))
    began = clocks.monotonic()
    number, last = 0, False
    try:
        while not last:
            last = number > 0 and (stopped() or (seconds is not None and number >= seconds))
            snapshot = _sample(reader, schedule, number, last or whole(), clocks.now())
            yield _with_klog(snapshot) if root == LIVE and (last or number == 0) else snapshot
            number = max(number + 1, ceil(clocks.monotonic() - began))  # a late reader leaves samples out
            if seconds is not None:
                number = min(number, max(seconds, 1))
            if not last:
                clocks.sleep(max(began + number - clocks.monotonic(), 0))
    finally:
        reader.close()


def read_sample(*, root: Path = LIVE, pid: int | None = None, clocks: Clocks | None = None) -> Snapshot:
    """One snapshot with everything there is."""
    with closing(read_samples(root=root, pid=pid, clocks=clocks)) as samples:
        return next(samples)


def _scheduled(plan: Plan) -> _Schedule:
    return _Schedule(
        cheap=list(plan.cheap),
        slow=list(plan.slow),
        ends=list(plan.ends),
        first=[*plan.once, *plan.hints],
        quiet=frozenset(plan.hints),
    )


def _sample(reader: _Reader, schedule: _Schedule, number: int, whole: bool, now: float) -> Snapshot:
    files = {TIME: f"{now:.2f}\n"}
    missing: list[Missing] = []
    for path in schedule.due(number, whole=whole):
        said, milliseconds = reader.read(path, again=path in schedule.cheap or path in schedule.slow)
        if isinstance(said, Missing):
            schedule.demote(path, to_ends=True)  # asked for again at the end only
            if path not in schedule.quiet and not (said.reason == "absent" and _optional(path)):
                missing.append(said)
            continue
        files[path] = _kept(path, said)
        if milliseconds > SLOW_MILLISECONDS:
            schedule.demote(path, to_ends=False)
            missing.append(Missing(path=path, reason="too slow", milliseconds=round(milliseconds, 1)))
    return Snapshot(files=files, missing=tuple(missing))


def _with_klog(snapshot: Snapshot) -> Snapshot:
    said = read_klog()
    if isinstance(said, Missing):
        return replace(snapshot, missing=(*snapshot.missing, said))
    return replace(snapshot, files={**snapshot.files, DMESG: said})


def _optional(path: str) -> bool:
    # The root group has no limits, and a group without the memory controller has no memory files.
    return path.startswith(OPTIONAL_FOLDERS)


def _kept(path: str, text: str) -> str:
    # Whoever passes a capture on need not tell what is mounted where.
    return "".join(_lxcfs(text.splitlines(keepends=True))) if path == "proc/mounts" else text


def _lxcfs(lines: Iterable[str]) -> Iterator[str]:
    return (line for line in lines if " fuse.lxcfs " in line)
