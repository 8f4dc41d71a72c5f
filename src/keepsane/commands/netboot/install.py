# SPDX-License-Identifier: GPL-2.0-or-later
"""
Publish a kernel, as `make install` installs one, and offer it to a machine.

    make install INSTALLKERNEL=keepsane-install INSTALL_PATH=/tmp

`keepsane-install` is this word, for Kbuild, which starts it in the object tree. It looks in ~/bin and /sbin
alone: link it there. A name from the environment, or with a path, does not count for Kbuild.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path

from keepsane.commands.netboot.build import keep, keep_debug
from keepsane.commands.netboot.machine import machine_or_none
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import History
from keepsane.render.visible import escaped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what Kbuild hands to an installkernel."""
    parser.add_argument("release", metavar="RELEASE", help="the kernel's release, may be empty")
    parser.add_argument("image", metavar="IMAGE", type=Path, help="arch/x86/boot/bzImage")
    parser.add_argument("system_map", metavar="SYSTEM_MAP", type=Path, help="System.map")
    parser.add_argument("folder", metavar="INSTALL_PATH", nargs="?", help="nothing is written there")
    parser.add_argument("--machine", metavar="NAME", help="the machine to offer it to")


def run(arguments: argparse.Namespace) -> int:
    """Publish and offer. Raises InputError where the image is no kernel."""
    machine = machine_or_none(arguments.machine)
    name = "" if machine is None else machine.name
    build = keep(arguments.image, arguments.system_map, arguments.release, name)
    sys.stdout.write(f"kept {escaped(build.release)} {build.number} as {build.id}\n")
    if machine is None:
        sys.stdout.write(f"offered to no machine: keepsane netboot again MACHINE {build.id}\n")
    else:
        with closing(History(netboot_folder())) as history:
            history.offer(machine.name, build.id)
        sys.stdout.write(f"{machine.name} boots it\n")
    keep_debug(build)
    return 0
