# SPDX-License-Identifier: GPL-2.0-or-later
"""What machines booted: when, which build, from which address, and whether they have come back since."""

from __future__ import annotations

import argparse
import sys
import time

from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import Boot, History


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot history` takes."""
    parser.add_argument("machine", nargs="?", metavar="MACHINE", help="one machine's alone")


def run(arguments: argparse.Namespace) -> int:
    """List the boots, the newest first."""
    boots = History(netboot_folder()).boots(arguments.machine)
    sys.stdout.writelines(_line(boot) for boot in boots)
    return 0


def _line(boot: Boot) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(boot.taken_seconds))
    return f"{when}  {boot.machine:<16}{boot.build}  {_since(boot)}\n"


def _since(boot: Boot) -> str:
    if boot.back_seconds is None:
        return "has not come back"
    return f"came back after {boot.back_seconds - boot.taken_seconds:.0f} s"
