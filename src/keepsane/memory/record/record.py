# SPDX-License-Identifier: GPL-2.0-or-later
"""
A record: a sample each second for days, in one SQLite file of 10 to 20 MB a day.

The samples come back as they were, so whatever judges a live machine judges any minute of the record too.
The newest samples lie in the file one by one; ten minutes of them are packed together (chunk.py). Each sample
is a transaction: a crash loses none that was written, a power failure perhaps the last ones.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from keepsane.errors import InputError
from keepsane.memory.capture.sample import LIVE, read_samples
from keepsane.memory.proc.counters import parse_counters
from keepsane.memory.proc.machine import BOOT_ID, uptime_of
from keepsane.memory.proc.psi import parse_pressure, stalled_percent
from keepsane.memory.proc.vmstat import vmstat
from keepsane.memory.record.chunk import MAX_SAMPLES, MAX_TEXT_BYTES, pack_chunk, pack_sample, unpack_sample
from keepsane.memory.record.record_file import (
    HEAD_BYTES,
    check_head,
    empty_record,
    locked_file,
    require_opened,
    require_ours_beside,
    require_schema,
)
from keepsane.memory.snapshot import TIME, Snapshot

KEEP_SECONDS = 7 * 86400.0
MAX_RECORD_BYTES = 1 << 30
SAMPLES_IN_CHUNK = 600
PENDING_BYTES = 24 << 20
"""Fewer samples make a chunk where they are so large together: on machines of many nodes and groups."""
CHECKPOINT_SAMPLES = 60
"""So often the file itself gets what its log has: a copy without the log lacks a minute, not ten."""
WAIT_SECONDS = 10.0

SHARP_PERCENT = 10.0
SHARP_PAGES = 1000
"""All is sampled once after a second in which tasks waited this long for memory, or scanned this much."""
SHARP_EVERY = 60
"""The least number of samples between two of these."""

_EPOCH = re.compile(r"(\d{1,11}(?:\.\d{1,9})?)\s?", re.ASCII)


@dataclass(slots=True, eq=False)
class Recorder:
    """An open record that takes samples; samples without a time of day are not kept."""

    file: Path
    connection: sqlite3.Connection
    lock: int
    keep_seconds: float = KEEP_SECONDS
    pending: list[Snapshot] = field(default_factory=list)
    pending_bytes: int = 0
    since_whole: int = 0
    since_checkpoint: int = 0
    sharp: bool = False

    def add(self, snapshot: Snapshot) -> None:
        """Write one sample. Raises InputError where the file cannot be written."""
        if epoch_of(snapshot) is None:
            return
        before = self.pending[-1] if self.pending else None
        if before and (self.is_full() or _restarted(before, snapshot)):
            self.fold()
        with _writing(self.file), self.connection:
            self.connection.execute("INSERT INTO sample (body) VALUES (?)", (pack_sample(snapshot),))
        self._checkpoint()
        self.sharp = before is not None and is_sharp(before, snapshot)
        self.since_whole = 0 if BOOT_ID in snapshot.files else self.since_whole + 1
        self.pending.append(snapshot)
        self.pending_bytes += sum(map(len, snapshot.files.values()))

    def wants_whole(self) -> bool:
        """Say whether the next sample should have every file: one that begins a chunk, or after a change."""
        return self.is_full() or (self.sharp and self.since_whole >= SHARP_EVERY)

    def is_full(self) -> bool:
        """Say whether the samples since the last chunk make another one."""
        return len(self.pending) >= SAMPLES_IN_CHUNK or self.pending_bytes >= PENDING_BYTES

    def close(self) -> None:
        """Pack what is there and close the file."""
        try:
            self.fold()
            with suppress(sqlite3.OperationalError):  # somebody reads it meanwhile: then the log file stays
                self.connection.execute("PRAGMA journal_mode = DELETE")
        finally:
            self.connection.close()
            os.close(self.lock)  # not before: closing a file drops the locks that SQLite holds on it

    def _checkpoint(self) -> None:
        self.since_checkpoint += 1
        if self.since_checkpoint >= CHECKPOINT_SAMPLES:
            with _writing(self.file):  # where somebody reads meanwhile, what can be done is done
                self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            self.since_checkpoint = 0

    def fold(self) -> None:
        """Pack the newest samples together, and drop what is too old."""
        if not self.pending:
            return
        with _writing(self.file), self.connection:
            _insert(self.connection, self.pending)
            self.connection.execute("DELETE FROM sample")
            _forget(self.connection, self.keep_seconds)
        self.pending.clear()
        self.pending_bytes = 0


def epoch_of(snapshot: Snapshot) -> float | None:
    """The time of day at which the sample was taken, in seconds since 1970."""
    return parse_epoch(snapshot.text(TIME))


def parse_epoch(text: str | None) -> float | None:
    """Read what a sample has as its time of day; None where it is none, or after the year 5138."""
    found = _EPOCH.fullmatch(text or "")
    return float(found[1]) if found else None


def is_sharp(before: Snapshot, after: Snapshot) -> bool:
    """Say whether memory became short from one sample to the next, by the cheap files alone."""
    began, ended = uptime_of(before), uptime_of(after)
    seconds = None if began is None or ended is None else ended - began
    stalled = stalled_percent(_stall(before), _stall(after), seconds)
    if stalled is not None and stalled >= SHARP_PERCENT:
        return True
    first, last = _scanned(before), _scanned(after)
    return first is not None and last is not None and last - first >= SHARP_PAGES


def _stall(snapshot: Snapshot) -> int | None:
    pressure = parse_pressure(snapshot.text("proc/pressure/memory") or "")
    return None if pressure is None else pressure.get("some")


def _scanned(snapshot: Snapshot) -> int | None:
    return vmstat(parse_counters(snapshot.text("proc/vmstat") or ""), "pgscan_direct")


def record(
    out: Path,
    *,
    keep_seconds: float = KEEP_SECONDS,
    root: Path = LIVE,
    pid: int | None = None,
    seconds: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> int:
    """
    Sample the machine each second into the record `out`, until `stopped` or for `seconds`.

    Returns the number of samples. A record that exists is continued. Raises InputError where the file is no
    record, or cannot be written.
    """
    number = 0
    with closing(open_record(out, keep_seconds=keep_seconds)) as recorder:
        whole = recorder.wants_whole
        for snapshot in read_samples(root=root, seconds=seconds, pid=pid, stopped=stopped, whole=whole):
            recorder.add(snapshot)
            number += 1
    return number


def open_record(path: Path, *, keep_seconds: float = KEEP_SECONDS) -> Recorder:
    """
    Open a record for writing; a new one is made, that its owner alone may read.

    Raises InputError where the file is something else, is damaged, cannot be written, or is recorded into.
    """
    with _writing(path), ExitStack() as undo:
        lock = locked_file(path, empty_record)
        undo.callback(os.close, lock)
        check_head(path, os.pread(lock, HEAD_BYTES, 0))
        require_ours_beside(path)
        os.fchmod(lock, 0o600)
        connection = undo.enter_context(closing(sqlite3.connect(path, timeout=WAIT_SECONDS)))
        connection.execute("PRAGMA journal_mode = WAL")
        # With WAL this waits for no disk. A power failure loses the last samples, never the file.
        connection.execute("PRAGMA synchronous = NORMAL")
        require_schema(path, connection)
        require_opened(path, lock)
        require_ours_beside(path)
        recorder = Recorder(path, connection, lock, keep_seconds)
        recorder.pending += left_over(connection)
        recorder.fold()
        undo.pop_all()
    return recorder


def left_over(connection: sqlite3.Connection, *, ends: bool = False) -> tuple[Snapshot, ...]:
    """
    The samples that are not packed together yet, or the first and the last of them.

    Raises ValueError where one is damaged.
    """
    which = "number IN (SELECT min(number) FROM sample UNION SELECT max(number) FROM sample)" if ends else "1"
    said = f"SELECT body FROM sample WHERE {which} ORDER BY number LIMIT ?"  # noqa: S608 no value is in it
    found: list[Snapshot] = []
    size = 0
    for (body,) in connection.execute(said, (MAX_SAMPLES,)):
        found.append(unpack_sample(body))
        size += sum(map(len, found[-1].files.values()))
        if size > MAX_TEXT_BYTES:
            raise ValueError("the samples are too large")
    return tuple(found)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise InputError(f"cannot record into {path}: {error}; name another file") from error
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}; name another file") from error


def _restarted(before: Snapshot, after: Snapshot) -> bool:
    first, last = uptime_of(before), uptime_of(after)
    return first is not None and last is not None and last < first


def _insert(connection: sqlite3.Connection, snapshots: list[Snapshot]) -> None:
    epochs = [epoch for each in snapshots if (epoch := epoch_of(each)) is not None]
    connection.execute(
        "INSERT INTO chunk (began_seconds, ended_seconds, body) VALUES (?, ?, ?)",
        (min(epochs), max(epochs), pack_chunk(snapshots)),
    )


def _forget(connection: sqlite3.Connection, keep_seconds: float) -> None:
    """Drop what is older than asked for, and the oldest where the file has become too large."""
    connection.execute(
        "DELETE FROM chunk WHERE ended_seconds < (SELECT max(ended_seconds) FROM chunk) - ?", (keep_seconds,)
    )
    total = "(SELECT sum(length(body)) FROM chunk AS newer WHERE newer.number >= chunk.number)"
    connection.execute(f"DELETE FROM chunk WHERE {total} > ?", (MAX_RECORD_BYTES,))  # noqa: S608
