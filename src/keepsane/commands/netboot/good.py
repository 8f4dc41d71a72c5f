# SPDX-License-Identifier: GPL-2.0-or-later
"""Remember a build as the one that works on a machine: the last that it booted, or the one that is named."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing

from keepsane.commands.netboot.machine import chosen_machine
from keepsane.errors import InputError
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import History
from keepsane.netboot.named import named_build
from keepsane.netboot.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot good` takes."""
    parser.add_argument("machine", metavar="MACHINE")
    parser.add_argument(
        "build", nargs="?", metavar="N|BUILD", help="the number of a boot, or the id of a build"
    )


def run(arguments: argparse.Namespace) -> int:
    """Remember it. Raises InputError where nothing was booted, or no such build is kept."""
    machine = chosen_machine(arguments.machine)
    with closing(History(netboot_folder())) as history:
        name = arguments.build
        if name is None:
            boots = [
                boot
                for boot in history.boots(machine.name)
                if boot.outcome in ("running", "back", "provisional")
            ]
            if not boots:
                raise InputError(f"{machine.name} booted nothing yet; name a build")
            name = boots[0].build
        build = named_build(name, Store(netboot_folder()), history)
        history.call_good(machine.name, build.id)
    sys.stdout.write(f"{build.id} is the good build of {machine.name}\n")
    return 0
