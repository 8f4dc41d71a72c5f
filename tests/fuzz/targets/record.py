# SPDX-License-Identifier: GPL-2.0-or-later
"""A record of days: the input is the SQLite file, or samples as one text, which are then recorded."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from keepsane.api import diagnose
from keepsane.errors import KeepsaneError
from keepsane.memory.record.record import open_record
from keepsane.memory.record.replay import read_record, read_span
from keepsane.memory.record.series import read_curves
from keepsane.memory.snapshot import TIME, Snapshot
from keepsane.memory.state import state_of
from keepsane.render.html.plot import plots_element
from tests.fuzz.targets.samples import IN_TEXT, cases, sections
from tests.fuzz.targets.target import Target, render_memory

BEGAN = 1_700_000_000


def feed(data: bytes, folder: Path) -> None:
    """Read a record, judge its middle and its end, plot it, and continue it."""
    path = folder / "record"
    try:
        if data.startswith(IN_TEXT):
            write(data, path)
        else:
            path.write_bytes(data)
        _read(path)
    except KeepsaneError:
        pass
    try:
        open_record(path).close()
    except KeepsaneError:
        pass


def write(data: bytes, path: Path, *, fold: bool = True) -> None:
    """Record samples, each of them with a time; without `fold` they are left unpacked, as after a crash."""
    recorder = open_record(path, keep_seconds=1e9)
    with closing(recorder):
        for second, files in enumerate(sections(data).values()):
            recorder.add(Snapshot(files={TIME: f"{BEGAN + 10 * second}.00\n", **files}))
        if not fold:
            recorder.pending.clear()


def _read(path: Path) -> None:
    span = read_span(path)
    curves = read_curves(path)
    plots = [plots_element(curves)] if curves is not None else []
    for around in (None, (span.began_seconds + span.ended_seconds) / 2):
        try:
            state = state_of(read_record(path, around=around))
        except KeepsaneError:
            continue
        if state is not None:
            render_memory(diagnose(state, name=str(path)), plots)


def seeds() -> Iterator[bytes]:
    """The cases as text, and some of them recorded, packed together and not."""
    texts = list(cases())
    yield from texts
    for number, text in enumerate(sorted(texts, key=len)[::12]):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "record")
            write(text, path, fold=number % 2 == 0)
            yield path.read_bytes()


RECORD = Target(feed, seeds)
