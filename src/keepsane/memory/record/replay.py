# SPDX-License-Identifier: GPL-2.0-or-later
"""Read a record: the samples around a moment, as a live machine would have given them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import NamedTuple, TypeGuard

from keepsane.errors import InputError
from keepsane.memory.record.chunk import MAX_TEXT_BYTES, Chunk, chunk_of, unpack_chunk
from keepsane.memory.record.record import WAIT_SECONDS, epoch_of, left_over, parse_epoch
from keepsane.memory.record.record_file import check_record, log_missing_words, require_schema
from keepsane.memory.snapshot import TIME, Snapshot
from keepsane.words import size_words

SECONDS = 60.0
MAX_SECONDS = 4 * 3600.0
"""More is not judged at once: the rules are about what happens, not about how a day was."""
SLOW = "proc/meminfo"
"""A sample that has it has the other files of every 10 s too."""
SLOW_SECONDS = 11.0
MAX_PACKED_BYTES = 32 << 20
MAX_EPOCH_SECONDS = 1e11
"""The year 5138; parse_epoch() reads none after it."""

# What stays as it is from one reading to the next; counters and what moves are never carried on.
_CARRIED = re.compile(
    r"proc/(?:sys/|version$|cmdline$|mounts$|1/cgroup$|(?:self|\d+)/(?:cgroup|status)$)"
    r"|sys/kernel/mm/(?:transparent_hugepage|redhat_transparent_hugepage|lru_gen)/"
    r"|sys/devices/system/(?:cpu/online$|node/(?:online$|has_memory$|node\d+/(?:distance|cpulist)$))"
    r"|sys/fs/cgroup/(?:.*/)?(?:memory|cpu)(?:\.swap)?\.(?:min|low|high|max)$"
    r"|(?:etc|run|usr/lib|usr/local/lib|lib)/(?:sysctl|tuned)|run/|\.dockerenv"
)


class Span(NamedTuple):
    """From when to when a record reaches, in seconds since 1970."""

    began_seconds: float
    ended_seconds: float


class _Moment(NamedTuple):
    chunk: Chunk
    at: int
    epoch_seconds: float
    slow: bool


def read_span(path: Path) -> Span:
    """From when to when a record reaches. Raises InputError where it is empty or cannot be read."""
    missing = log_missing_words(path)
    with _damage_said(path), closing(_opened(path)) as connection:
        said = "SELECT min(began_seconds), max(ended_seconds) FROM chunk"
        times = [time for time in next(connection.execute(said)) if _is_time(time)]
        times += [time for each in left_over(connection, ends=True) if (time := epoch_of(each)) is not None]
    if not times:
        raise InputError(missing or f"{path} has no samples yet")
    return Span(min(times), max(times))


def read_chunks(path: Path, began_seconds: float = -inf, ended_seconds: float = inf) -> Iterator[Chunk]:
    """
    Yield what a record has between two times, and around them, in the order in which it was recorded.

    Raises InputError where the record cannot be read or is damaged.
    """
    with _damage_said(path), closing(_opened(path)) as connection:
        said = "SELECT body FROM chunk WHERE ended_seconds >= ? AND began_seconds <= ? ORDER BY number"
        for (body,) in connection.execute(said, (began_seconds, ended_seconds)):
            yield unpack_chunk(body if isinstance(body, bytes) else b"")
        left = left_over(connection)
    if left:
        yield chunk_of(left)


def read_record(path: Path, *, around: float | None = None, seconds: float = SECONDS) -> tuple[Snapshot, ...]:
    """
    The samples of a record from `seconds` / 2 before `around` to as long after it, or the last `seconds`.

    The interval is widened to the nearest samples that have the files of every 10 s. The first and the last
    also have the settings that were read before them. `around` is in seconds since 1970.
    Raises InputError where the record cannot be read, is damaged, or has nothing there.
    """
    if not 0 < seconds <= MAX_SECONDS:
        raise InputError(f"{seconds:g} seconds cannot be judged at once; ask for up to {MAX_SECONDS:g}")
    missing = log_missing_words(path)
    span = read_span(path)
    end = span.ended_seconds if around is None else around + seconds / 2
    began = end - seconds
    chunks = read_chunks(path, began - SLOW_SECONDS, end + SLOW_SECONDS)
    moments = _widened([moment for chunk in _bounded(path, chunks) for moment in _moments(chunk)], began, end)
    if not moments:
        times = " to ".join(map(_spoken, span))
        raise InputError(f"{path} has no sample from {_spoken(began)} to {_spoken(end)}; it has {times}")
    with _damage_said(path):
        found = _carried(moments, _snapshots(moments))
    return (*found[:-1], replace(found[-1], damage=missing)) if missing and around is None else found


def _bounded(path: Path, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    size = 0
    for chunk in chunks:
        size += chunk.unpacked_bytes
        if size > MAX_TEXT_BYTES:
            raise InputError(
                f"{path} has over {size_words(MAX_TEXT_BYTES >> 10)} there; ask for fewer seconds"
            )
        yield chunk


def _moments(chunk: Chunk) -> Iterator[_Moment]:
    slow = chunk.tracks.get(SLOW)
    for at, text in enumerate(chunk.texts(TIME)):
        epoch = parse_epoch(text)
        if epoch is not None:
            yield _Moment(chunk, at, epoch, slow is not None and slow.which[at] > 0)


def _widened(moments: list[_Moment], began: float, ended: float) -> list[_Moment]:
    inside = [at for at, moment in enumerate(moments) if began <= moment.epoch_seconds <= ended]
    if not inside:
        return []
    first, last = inside[0], inside[-1]
    before = (at for at in range(first, -1, -1) if moments[at].slow)
    after = (at for at in range(last, len(moments)) if moments[at].slow)
    early, late = next(before, first), next(after, last)
    if began - moments[early].epoch_seconds <= SLOW_SECONDS:
        first = early
    if moments[late].epoch_seconds - ended <= SLOW_SECONDS:
        last = late
    return moments[first : last + 1]


def _snapshots(moments: list[_Moment]) -> list[Snapshot]:
    found: list[Snapshot] = []
    while len(found) < len(moments):
        chunk = moments[len(found)].chunk
        found += chunk.snapshots([moment.at for moment in moments[len(found) :] if moment.chunk is chunk])
    return found


def _carried(moments: list[_Moment], snapshots: list[Snapshot]) -> tuple[Snapshot, ...]:
    """Give the first and the last sample the settings that were read before them in the same chunk."""
    for at in {0, len(snapshots) - 1}:
        settings = _settings(moments[at])
        snapshots[at] = replace(snapshots[at], files={**settings, **snapshots[at].files})
    return tuple(snapshots)


def _settings(moment: _Moment) -> dict[str, str]:
    found: dict[str, str] = {}
    for path, track in moment.chunk.tracks.items():
        if _CARRIED.match(path) and any(track.which[: moment.at]):
            said = [text for text in track.texts()[: moment.at] if text is not None]
            found[path] = said[-1]
    return found


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, float) and 0 <= value <= MAX_EPOCH_SECONDS


def _opened(path: Path) -> sqlite3.Connection:
    check_record(path)
    missing = log_missing_words(path)
    connection = _connected(path, "mode=ro")
    try:
        try:
            require_schema(path, connection)
        except sqlite3.OperationalError:
            connection.close()  # a folder in which nothing may be written: then nobody records into it either
            connection = _connected(path, "immutable=1")
            require_schema(path, connection)
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the second where a message quotes damaged text
        connection.close()
        raise InputError(f"{path} is damaged: {'; '.join(filter(None, (str(error), missing)))}") from error
    except InputError:
        connection.close()
        raise
    return connection


def _connected(path: Path, how: str) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=WAIT_SECONDS)
    except sqlite3.Error as error:
        raise InputError(f"cannot read {path}: {error}") from error
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_PACKED_BYTES)
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


@contextmanager
def _damage_said(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, ValueError) as error:  # UnicodeDecodeError where a message quotes damaged text
        raise InputError(f"{path} is damaged: {error}") from error


def _spoken(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g}"
