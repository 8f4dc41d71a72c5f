# SPDX-License-Identifier: GPL-2.0-or-later
"""
Write a build of a machine into a folder of a web server that is there, as ~/public_html.

    keepsane netboot export ~/public_html/test-box test-box

The folder gets the kernel, the initrd, the modules where there are any, and boot.ipxe, which names them
relative to itself. Such a server cannot hold a machine: it boots the same build each time.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path

from keepsane.commands.netboot.machine import chosen_machine
from keepsane.errors import InputError, OutputError
from keepsane.machine.machine import Machine
from keepsane.netboot.export import SCRIPT, export, static_script
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import History
from keepsane.netboot.served import served_files
from keepsane.netboot.store import Build, Store
from keepsane.render.visible import escaped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot export` takes."""
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="a folder of the web server")
    parser.add_argument("machine", metavar="MACHINE")
    parser.add_argument(
        "build", nargs="?", metavar="BUILD", help="its id (default: what it was offered last)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Export. Raises InputError for a build or machine that is none, and OutputError."""
    folder: Path = arguments.folder
    machine = chosen_machine(arguments.machine)
    store = Store(netboot_folder())
    build = store.build(arguments.build or _last(machine))
    if wrong := store.damage(build):
        raise InputError(f"{build.id} is damaged: {wrong}")
    files = served_files(store, machine, build)
    title = f"keepsane: {machine.name} boots {build.release} {build.number}, exported"
    script = static_script(files, machine.command_line, title)
    try:
        export(folder, files, script)
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from error
    _say(folder, build, files)
    return 0


def _last(machine: Machine) -> str:
    with closing(History(netboot_folder())) as history:
        offer = history.last_offer(machine.name)
    if offer is None:
        raise InputError(f"{machine.name} was offered no build yet; build one: keepsane netboot build")
    return offer.build


def _say(folder: Path, build: Build, files: dict[str, Path]) -> None:
    here = escaped(str(folder))
    sys.stdout.write(
        f"{here}: {', '.join(files)} and {SCRIPT} of {escaped(build.release)} {build.number}\n"
        f"in iPXE: dhcp, then chain http://SERVER/PATH/{SCRIPT}, with the address that {here} has there\n"
        "a web server cannot hold a machine: it boots this build each time; others get these files too\n"
    )
