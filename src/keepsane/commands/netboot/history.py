# SPDX-License-Identifier: GPL-2.0-or-later
"""What machines booted: when, which build, and what became of it; `show N` tells more of one."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from typing import NamedTuple

from keepsane.commands.netboot.machine import chosen_machine
from keepsane.netboot.boot import Boot, cause_words, outcome_words
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import Candidate, History
from keepsane.render.visible import escaped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot history` takes."""
    parser.add_argument("machine", nargs="?", metavar="MACHINE", help="one machine's alone")
    parser.add_argument(
        "--candidates", action="store_true", help="the network cards that ask and are no machine's"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(arguments: argparse.Namespace) -> int:
    """List the boots, the newest first. Raises InputError for a machine that is none, and booted nothing."""
    machine = None if arguments.machine is None else escaped(arguments.machine)
    with closing(History(netboot_folder())) as history:
        rows = history.candidates() if arguments.candidates else history.boots(machine)
        good = history.goods()
    if arguments.format == "json":
        sys.stdout.write(rows_json(rows))
    elif rows:
        sys.stdout.writelines(_line(row, good) for row in rows)
    else:
        sys.stdout.write(_nothing(arguments.machine, arguments.candidates))
    return 0


def rows_json(rows: Iterable[NamedTuple]) -> str:
    """Write rows as every list of keepsane's is written."""
    return json.dumps({"schema": 1, "rows": [row._asdict() for row in rows]}, indent=1) + "\n"


def _nothing(machine: str | None, candidates: bool) -> str:
    if candidates:
        return "no unknown network card has asked\n"
    if machine is None:
        return "no machine has booted anything yet\n"
    return f"{chosen_machine(machine).name} booted nothing yet\n"


def _line(row: Boot | Candidate, good: Collection[tuple[str, str]]) -> str:
    if isinstance(row, Candidate):
        return f'{_when(row.last_seconds)}  from {escaped(row.address)}  mac = ["{escaped(row.mac)}"]\n'
    when = _when(row.taken_seconds)
    said = "; ".join((outcome_words(row), *_marks(row, is_good=(row.machine, row.build) in good)))
    return f"{row.number:>4}  {when}  {row.machine:<16}{row.build}  {escaped(said)}\n"


def _marks(boot: Boot, *, is_good: bool) -> Iterator[str]:
    if boot.cause:
        yield cause_words(boot.cause)
    elif is_good:
        yield "the good build"
    if boot.posted_bytes is not None:
        yield f"posted a log: show {boot.number}"


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
