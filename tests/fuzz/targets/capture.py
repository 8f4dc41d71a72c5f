# SPDX-License-Identifier: GPL-2.0-or-later
"""A capture: the input is the tar, or its files as one text, which are then a folder and a tar."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Iterator
from pathlib import Path

import zstandard

from keepsane.api import diagnose
from keepsane.errors import KeepsaneError
from keepsane.memory.capture.capture import read_capture
from keepsane.memory.preflight import preflight
from keepsane.memory.state import MemoryState, state_of
from keepsane.render.json import value_json
from tests.fuzz.targets.samples import IN_TEXT, as_folder, as_tar, cases, sections
from tests.fuzz.targets.target import Target, render_memory


def feed(data: bytes, folder: Path) -> None:
    """Judge what a tar or a folder says of a machine's memory."""
    path, machine = folder / "capture.tar", folder / "machine"
    if not data.startswith(IN_TEXT):
        path.write_bytes(data)
        _judge(path)
        return
    samples = sections(data)
    path.write_bytes(as_tar(samples))
    machine.mkdir()
    as_folder(samples, machine)
    _judge(path)
    _judge(machine)


def _judge(path: Path) -> None:
    try:
        snapshots = read_capture(path)
    except KeepsaneError:
        return
    state, before = state_of(snapshots), state_of(snapshots[:1])
    if state is not None:
        render_memory(diagnose(state, name=str(path)))
        render_memory(diagnose(state, name=str(path), before=before))
        _request(state)


def _request(state: MemoryState) -> None:
    for order, node, zone in ((0, None, "Normal"), (9, 0, "DMA32")):
        try:
            value_json(preflight(state, order, node, zone, atomic=not order))
        except ValueError:  # a zone or node that is not there: the command says so
            pass


def seeds() -> Iterator[bytes]:
    """The cases as text, one as a tar, and one in each packing."""
    texts = list(cases())
    yield from texts
    small = as_tar(sections(min(texts, key=len)))
    yield from (small, gzip.compress(small), lzma.compress(small), zstandard.compress(small))


CAPTURE = Target(feed, seeds)
