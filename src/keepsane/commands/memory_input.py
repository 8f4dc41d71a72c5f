# SPDX-License-Identifier: GPL-2.0-or-later
"""Where `keepsane memory` has its samples from: this machine, captures, or a minute of a record."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from keepsane.errors import InputError
from keepsane.memory.capture.capture import read_capture
from keepsane.memory.capture.sample import read_samples
from keepsane.memory.record.record_file import is_database
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import MemoryState, state_of


class Input(NamedTuple):
    """What is judged; `record` is the record it is from, `around` the moment in seconds since 1970."""

    state: MemoryState
    record: Path | None = None
    around: float | None = None


def read_input(arguments: argparse.Namespace) -> Input:
    """Read what the arguments name, or sample this machine. Raises InputError where there is no sample."""
    paths = [Path(path) for path in arguments.input]
    if len(paths) == 1 and is_database(paths[0]):
        return _recorded(paths[0], arguments)
    if arguments.at or arguments.latency:
        raise InputError("--at and --latency ask about a record; name one that --record has written")
    if paths:
        return Input(state_from(read_capture(*paths), str(paths[0])))
    return Input(state_from(sampled(arguments), "this machine"))


def _recorded(path: Path, arguments: argparse.Namespace) -> Input:
    from keepsane.memory.record.replay import read_record, read_span
    from keepsane.memory.record.time_said import parse_moment

    around = parse_moment(arguments.at, ended=read_span(path).ended_seconds) if arguments.at else None
    return Input(state_from(read_record(path, around=around), str(path)), path, around)


def sampled(arguments: argparse.Namespace) -> Iterator[Snapshot]:
    """Sample this machine once a second; a terminal sees how far it is."""
    seconds, out = arguments.seconds, sys.stderr
    for number, snapshot in enumerate(read_samples(seconds=seconds, pid=arguments.pid)):
        if out.isatty():
            out.write(f"\rsampling: {number} of {seconds} s")
            out.flush()
        yield snapshot
    if out.isatty():
        out.write("\r\x1b[K")


def state_from(snapshots: Iterable[Snapshot], name: str) -> MemoryState:
    """Make one state of samples. Raises InputError where there is none."""
    state = state_of(snapshots)
    if state is None:
        raise InputError(f"{name} holds no sample; give a capture, or a directory with proc/ in it")
    return state
