# SPDX-License-Identifier: GPL-2.0-or-later
"""Keep a build for good, whatever `prune` removes; --off ends that."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing

from keepsane.errors import InputError
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import History
from keepsane.netboot.named import named_build
from keepsane.netboot.store import Store
from keepsane.render.visible import escaped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot pin` takes."""
    parser.add_argument(
        "build", nargs="?", metavar="N|BUILD", help="the number of a boot, or the id of a build"
    )
    parser.add_argument("--off", action="store_true", help="keep it as any other from now on")


def run(arguments: argparse.Namespace) -> int:
    """Pin or unpin; without a build list what is pinned. Raises InputError where there is no such build."""
    store = Store(netboot_folder())
    with closing(History(netboot_folder())) as history:
        if arguments.build is None:
            sys.stdout.writelines(f"{build}\n" for build in history.pins())
            return 0
        if arguments.off and arguments.build in history.pins():  # it may be gone from the disk
            name = arguments.build
        else:
            name = named_build(arguments.build, store, history).id
        if not arguments.off:
            history.pin(name)
        elif not history.unpin(name):
            raise InputError(f"{name} is not pinned; `keepsane netboot pin` lists what is")
    sys.stdout.write(f"{escaped(name)} is {'not ' if arguments.off else ''}kept for good\n")
    return 0
