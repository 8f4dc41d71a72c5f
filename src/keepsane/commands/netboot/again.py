# SPDX-License-Identifier: GPL-2.0-or-later
"""Let a machine boot a build once more, the last one or the one that is named; else each boots once."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing

from keepsane.commands.netboot.machine import chosen_machine
from keepsane.errors import InputError
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import History
from keepsane.netboot.named import named_build
from keepsane.netboot.presence import presence_words
from keepsane.netboot.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot again` takes."""
    parser.add_argument("machine", metavar="MACHINE")
    parser.add_argument(
        "build", nargs="?", metavar="N|BUILD", help="the number of a boot, or the id of a build"
    )


def run(arguments: argparse.Namespace) -> int:
    """Offer it anew. Raises InputError where there is no such build or machine."""
    machine = chosen_machine(arguments.machine)
    with closing(History(netboot_folder())) as history:
        name = arguments.build
        if name is None:
            last = history.last_offer(machine.name)
            if last is None:
                raise InputError(
                    f"{machine.name} was offered no build yet; build one: keepsane netboot build"
                )
            name = last.build
        build = named_build(name, Store(netboot_folder()), history)
        history.offer(machine.name, build.id)
    presence = presence_words(netboot_folder(), machine.name)
    sys.stdout.write(f"{machine.name} gets {build.id} once more ({presence})\n")
    return 0
