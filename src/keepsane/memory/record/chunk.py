# SPDX-License-Identifier: GPL-2.0-or-later
r"""
Some minutes of samples as one packed body, file by file; columns.py says what is done to a file.

In the zstd frame are the length of the head (4 bytes, little endian), the head as JSON, and the numbers:

    [[["proc/slabinfo", "not permitted", null]], []], ["", ""],
    [["proc/vmstat", [["nr_free_pages \u0000\n...", [1472002, ...], "h-b..."]]], ...]

That is: what was missing in each sample, its damage, and for each file its skeletons with the first number of
each column and its code. For each file follow two bytes for each sample, which skeleton its text has, from 1
on, 0 where the file was not read; then, for each skeleton, the steps of its columns.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NamedTuple, TypeVar, get_args

import zstandard

from keepsane.memory.record.columns import (
    CODES,
    HOLE,
    STEP_BYTES,
    Column,
    filled,
    numbers_of,
    pack_column,
    parted,
    steps_bytes,
    texts_of,
)
from keepsane.memory.snapshot import Missing, Reason, Snapshot

T = TypeVar("T")

MAX_SAMPLES = 4096
MAX_BODY_BYTES = 64 << 20
"""What a body may unpack to."""
MAX_TEXT_BYTES = 192 << 20
"""What the texts of the samples asked for may have together."""
MAX_NUMBERS = 6_000_000
"""The most numbers in one chunk: each takes far more memory than it does in a text."""
MAX_LISTS, MAX_ITEMS = 500_000, 4_000_000
"""Of JSON as it stands there, before it is read: a bracket takes one byte, and its list fifty."""
MAX_MILLISECONDS = 1e9
CHUNK_BYTES = 4096
"""What is counted for a chunk beside its texts."""
THOROUGH, QUICK = 9, 1
"""Levels of zstd: for what is kept for days, and for what is written each second."""


_DAMAGE = (
    *(zstandard.ZstdError, struct.error, MemoryError, RecursionError),
    *(TypeError, AttributeError, LookupError, OverflowError),
)


class Shape(NamedTuple):
    """A skeleton that a file had in some samples, and the columns of its numbers there, end to end."""

    skeleton: str
    samples: int
    firsts: Sequence[int]
    codes: str
    steps: bytes | memoryview

    def columns(self) -> Iterator[Column]:
        """All columns."""
        end = 0
        for first, code in zip(self.firsts, self.codes, strict=True):
            begin, end = end, end + STEP_BYTES.get(code, 0) * (self.samples - 1)
            yield Column(first, code, self.steps[begin:end])

    def texts(self) -> Iterator[str]:
        """The texts that had this skeleton."""
        if not self.codes:
            return iter([self.skeleton] * self.samples)
        columns = [texts_of(column, self.samples) for column in self.columns()]
        return filled(self.skeleton, zip(*columns, strict=True))

    def sums(self, columns: Sequence[int]) -> Iterator[int | None]:
        """For each sample the sum of those columns, None for no column."""
        if not self.codes:  # a text that holds NULs itself has what looks like holes, and no column
            return iter([None] * self.samples)
        every = tuple(self.columns())
        found = [numbers_of(every[at], self.samples) for at in columns]
        return map(sum, zip(*found, strict=True)) if found else iter([None] * self.samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One file over all samples of a chunk: `which` has, for each sample, 0 or the number of its shape."""

    which: tuple[int, ...]
    shapes: tuple[Shape, ...]

    def texts(self) -> list[str | None]:
        """The file's text in each sample, None where it was not read."""
        return self.spread(shape.texts() for shape in self.shapes)

    def spread(self, rows: Iterable[Iterator[T]]) -> list[T | None]:
        """Put what there is for each shape into the order of the samples."""
        rows = tuple(rows)
        if len(rows) == 1 and 0 not in self.which:
            return list(rows[0])
        return [next(rows[number - 1]) if number else None for number in self.which]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Samples, not yet put together again."""

    missing: tuple[tuple[Missing, ...], ...]
    damage: tuple[str, ...]
    tracks: Mapping[str, Track]
    unpacked_bytes: int = 0

    def __len__(self) -> int:
        return len(self.missing)

    def texts(self, path: str) -> list[str | None]:
        """The file's text in each sample, None where it was not read."""
        track = self.tracks.get(path)
        return [None] * len(self) if track is None else track.texts()

    def snapshots(self, wanted: Sequence[int]) -> tuple[Snapshot, ...]:
        """Those samples. Raises ValueError where they are absurdly large."""
        files: list[dict[str, str]] = [{} for _ in wanted]
        size = 0
        for path, track in self.tracks.items():
            texts = track.texts()
            for at, number in enumerate(wanted):
                if (text := texts[number]) is not None:
                    files[at][path] = text
                    size += len(text)
            if size > MAX_TEXT_BYTES:
                raise ValueError("the samples are too large")
        return tuple(
            Snapshot(files=files[at], missing=self.missing[number], damage=self.damage[number])
            for at, number in enumerate(wanted)
        )


def pack_sample(snapshot: Snapshot) -> bytes:
    """Pack one sample as it is, quickly: [{"proc/vmstat": "..."}, missing, damage] as JSON."""
    said = json.dumps((dict(snapshot.files), _missing_rows(snapshot), snapshot.damage), separators=(",", ":"))
    return zstandard.compress(said.encode(), QUICK)


def unpack_sample(body: bytes) -> Snapshot:
    """Read a sample that was packed alone. Raises ValueError where it is damaged."""
    try:
        files, missing, damage = _loaded(_unpacked(body))
        texts = {str(path): str(text) for path, text in files.items()}
        gone = tuple(_missing(*row) for row in missing)
    except _DAMAGE as error:
        raise ValueError(f"a sample cannot be read: {error}") from error
    return Snapshot(files=texts, missing=gone, damage=str(damage))


def chunk_of(snapshots: Sequence[Snapshot]) -> Chunk:
    """Put up to MAX_SAMPLES samples into the form in which they are packed together."""
    paths = sorted({path for snapshot in snapshots for path in snapshot.files})
    return Chunk(
        missing=tuple(snapshot.missing for snapshot in snapshots),
        damage=tuple(snapshot.damage for snapshot in snapshots),
        tracks={path: _track([snapshot.files.get(path) for snapshot in snapshots]) for path in paths},
    )


def pack_chunk(snapshots: Sequence[Snapshot]) -> bytes:
    """Pack up to MAX_SAMPLES samples."""
    heads: list[object] = []
    bodies: list[bytes | memoryview] = []
    for path, track in chunk_of(snapshots).tracks.items():
        bodies.append(struct.pack(f"<{len(track.which)}H", *track.which))
        bodies += [shape.steps for shape in track.shapes]
        heads.append((path, [(shape.skeleton, shape.firsts, shape.codes) for shape in track.shapes]))
    missing = [_missing_rows(snapshot) for snapshot in snapshots]
    damage = [each.damage for each in snapshots]
    head = json.dumps((missing, damage, heads), separators=(",", ":")).encode()
    return zstandard.compress(b"".join((struct.pack("<I", len(head)), head, *bodies)), THOROUGH)


def _track(texts: Sequence[str | None]) -> Track:
    rows: dict[tuple[str, int], list[tuple[str, ...]]] = {}
    numbered: dict[tuple[str, int], int] = {}
    which = []
    for text in texts:
        if text is None:
            which.append(0)
            continue
        skeleton, numbers = parted(text)
        shape = (skeleton, len(numbers))
        which.append(numbered.setdefault(shape, len(numbered) + 1))
        rows.setdefault(shape, []).append(numbers)
    shapes = tuple(_packed(skeleton, found) for (skeleton, _), found in rows.items())
    return Track(which=tuple(which), shapes=shapes)


def _packed(skeleton: str, rows: Sequence[tuple[str, ...]]) -> Shape:
    columns = [pack_column(column) for column in zip(*rows, strict=True)]
    return Shape(
        skeleton,
        len(rows),
        [column.first for column in columns],
        "".join(column.code for column in columns),
        b"".join(column.steps for column in columns),
    )


def unpack_chunk(body: bytes) -> Chunk:
    """Read a packed body. Raises ValueError where it is damaged."""
    try:
        data = _unpacked(body)
        (size,) = struct.unpack_from("<I", data)
        missing, damage, heads = _loaded(data[4 : 4 + size])
        return _chunk(missing, damage, heads, memoryview(data)[4 + size :])
    except _DAMAGE as error:
        raise ValueError(f"a body cannot be read: {error}") from error


def _chunk(missing: Any, damage: Any, heads: Any, data: memoryview) -> Chunk:
    if not len(missing) == len(damage) <= MAX_SAMPLES:
        raise ValueError("its samples do not match")
    tracks, at, texts_bytes, numbers = {}, 0, 0, 0
    for path, shapes in heads:
        which = struct.unpack_from(f"<{len(missing)}H", data, at)
        at += 2 * len(missing)
        if max(which, default=0) > len(shapes):
            raise ValueError("a sample has a skeleton that is not there")
        found = []
        for number, (skeleton, firsts, codes) in enumerate(shapes, 1):
            samples = which.count(number)
            size = steps_bytes(codes, samples)
            found.append(_shape(skeleton, samples, firsts, codes, data[at : at + size]))
            at += size
        tracks[str(path)] = Track(which=which, shapes=tuple(found))
        texts_bytes += sum(len(shape.skeleton) * shape.samples for shape in found)
        numbers += sum(len(shape.codes) * shape.samples for shape in found)
        # A skeleton that is kept once may come back thousands of times.
        if texts_bytes > MAX_TEXT_BYTES or numbers > MAX_NUMBERS:
            raise ValueError("the samples are too large")
    gone = tuple(tuple(_missing(*row) for row in each) for each in missing)
    size = CHUNK_BYTES + len(data)
    size += sum(len(shape.skeleton) for track in tracks.values() for shape in track.shapes)
    return Chunk(missing=gone, damage=tuple(map(str, damage)), tracks=tracks, unpacked_bytes=size)


def _shape(skeleton: Any, samples: int, firsts: Any, codes: Any, steps: memoryview) -> Shape:
    if (
        not isinstance(skeleton, str)
        or not isinstance(codes, str)
        or len(firsts) != len(codes)
        or len(steps) != steps_bytes(codes, samples)
    ):
        raise ValueError("a skeleton and its numbers do not match")
    if not CODES.issuperset(codes) or (codes and skeleton.count(HOLE) != len(codes)):
        raise ValueError("numbers and holes do not match")
    if not {int}.issuperset(map(type, firsts)) or max(map(abs, firsts), default=0) >= 1 << 62:
        raise ValueError("a first number is none")
    return Shape(skeleton, samples, firsts, codes, steps)


def _loaded(data: bytes) -> Any:
    """Read JSON that was written here: plain ASCII, and of bounded structure."""
    if not data.isascii() or data.count(b"[") + data.count(b"{") > MAX_LISTS or data.count(b",") > MAX_ITEMS:
        raise ValueError("it was not written by keepsane")
    return json.loads(data)


def _unpacked(body: bytes) -> bytes:
    unpacker = zstandard.ZstdDecompressor(max_window_size=1 << 27)
    return unpacker.stream_reader(BytesIO(body)).read(MAX_BODY_BYTES)  # what is larger is cut, and damaged


def _missing_rows(snapshot: Snapshot) -> list[tuple[str, Reason, float | None]]:
    return [(gone.path, gone.reason, gone.milliseconds) for gone in snapshot.missing]


def _missing(path: Any, reason: Any, milliseconds: Any) -> Missing:
    known: Reason = next((known for known in get_args(Reason) if known == reason), "unreadable")
    number = milliseconds if isinstance(milliseconds, int | float) else -1
    cost = float(number) if 0 <= number <= MAX_MILLISECONDS else None  # JSON may say NaN, and 1e999
    return Missing(path=str(path), reason=known, milliseconds=cost)
