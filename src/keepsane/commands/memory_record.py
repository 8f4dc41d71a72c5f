# SPDX-License-Identifier: GPL-2.0-or-later
"""`keepsane memory --record FILE`, and the plots of a record."""

from __future__ import annotations

import argparse
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from keepsane.commands.memory_input import Input
from keepsane.commands.output import open_output
from keepsane.errors import InputError
from keepsane.memory.record.latency import read_latency
from keepsane.memory.record.record import record
from keepsane.memory.record.series import read_curves
from keepsane.render.html.element import Markup
from keepsane.render.html.plot import plots_element
from keepsane.render.visible import escaped

_KEEP = re.compile(r"(\d{1,4})([mhd])")
_UNIT_SECONDS = {"m": 60, "h": 3600, "d": 86_400}


def run_record(arguments: argparse.Namespace) -> int:
    """Record until interrupted or terminated, then say how many samples were taken."""
    keep_seconds = _keep_seconds(arguments.keep)
    asked: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    if sys.stderr.isatty():
        sys.stderr.write(f"recording into {escaped(arguments.record)}; end it with Ctrl-C\n")
    count = record(
        Path(arguments.record), keep_seconds=keep_seconds, pid=arguments.pid, stopped=lambda: bool(asked)
    )
    with open_output(None) as out:
        out.write(f"{escaped(arguments.record)}: {count} samples\n")
    return 0


def _keep_seconds(said: str) -> float:
    found = _KEEP.fullmatch(said)
    if found is None or not int(found[1]):
        raise InputError(f"--keep {said} is no time; give minutes, hours or days: 90m, 12h, 7d")
    return float(int(found[1]) * _UNIT_SECONDS[found[2]])


def plots_of(source: Input, arguments: argparse.Namespace) -> Iterator[Markup]:
    """Give the plots of a record, nothing for a capture or a live machine."""
    curves = read_curves(source.record) if source.record is not None else None
    if curves is None:
        return
    latency = None
    if arguments.latency:
        began, ended = curves.began_seconds, curves.ended_seconds
        latency = read_latency(Path(arguments.latency), began=began, ended=ended)
    yield plots_element(curves, asked=() if source.around is None else (source.around,), latency=latency)
