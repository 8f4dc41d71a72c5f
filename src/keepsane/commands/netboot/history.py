# SPDX-License-Identifier: GPL-2.0-or-later
"""What machines booted: when, which build, from which address, and whether they have come back since."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import closing

from keepsane.commands.netboot.machine import chosen_machine
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import Boot, History
from keepsane.render.visible import escaped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot history` takes."""
    parser.add_argument("machine", nargs="?", metavar="MACHINE", help="one machine's alone")


def run(arguments: argparse.Namespace) -> int:
    """List the boots, the newest first. Raises InputError for a machine that is none, and booted nothing."""
    machine = None if arguments.machine is None else escaped(arguments.machine)
    with closing(History(netboot_folder())) as history:
        boots = history.boots(machine)
    if not boots:
        sys.stdout.write(_nothing(arguments.machine))
    sys.stdout.writelines(_line(boot) for boot in boots)
    return 0


def _nothing(machine: str | None) -> str:
    if machine is None:
        return "no machine has booted anything yet\n"
    return f"{chosen_machine(machine).name} booted nothing yet\n"


def _line(boot: Boot) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(boot.taken_seconds))
    return f"{when}  {boot.machine:<16}{boot.build}  {_since(boot)}\n"


def _since(boot: Boot) -> str:
    if boot.back_seconds is None:
        return "has not come back"
    return f"came back after {boot.back_seconds - boot.taken_seconds:.0f} s"
