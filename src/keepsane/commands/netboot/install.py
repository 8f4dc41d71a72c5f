# SPDX-License-Identifier: GPL-2.0-or-later
"""
Publish a kernel, as `make install` installs one, and offer it to a machine.

    make install INSTALLKERNEL=keepsane-install INSTALL_PATH=/tmp
    keepsane-install --to build-server "" arch/x86/boot/bzImage System.map

`keepsane-install` is this word, for Kbuild, which starts it in the object tree. It looks in ~/bin and /sbin
alone: link it there. A name from the environment, or with a path, does not count for Kbuild. `--to` sends the
kernel to the keepsane of another machine, `KEEPSANE_TO` does so from within make.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from keepsane.commands.netboot.keep import gather, keep, keep_debug, snapshot_here
from keepsane.commands.netboot.machine import machine_or_none, meant_name, offered_to_nobody
from keepsane.errors import InputError
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import History
from keepsane.netboot.install import Gathered, check_image
from keepsane.netboot.presence import presence_words
from keepsane.netboot.remote import receive
from keepsane.netboot.source_tree import Snapshot
from keepsane.netboot.ssh import send_to, ssh_words
from keepsane.render.visible import escaped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what Kbuild hands to an installkernel."""
    parser.add_argument("release", metavar="RELEASE", nargs="?", help="the kernel's release, may be empty")
    parser.add_argument("image", metavar="IMAGE", nargs="?", type=Path, help="arch/x86/boot/bzImage")
    parser.add_argument("system_map", metavar="SYSTEM_MAP", nargs="?", type=Path, help="System.map")
    parser.add_argument("folder", metavar="INSTALL_PATH", nargs="?", help="nothing is written there")
    parser.add_argument("--machine", metavar="NAME", help="the machine to offer it to")
    parser.add_argument("--to", metavar="HOST", help="publish on another machine, over ssh (KEEPSANE_SSH)")
    parser.add_argument("--receive", action="store_true", help="publish what another --to sends to stdin")


def run(arguments: argparse.Namespace) -> int:
    """Publish and offer, here or on another machine. Raises InputError where the image is no kernel."""
    if arguments.receive:
        return _receive(arguments.machine)
    if arguments.system_map is None:
        raise InputError('RELEASE IMAGE SYSTEM_MAP are missing: "" arch/x86/boot/bzImage System.map')
    if not arguments.system_map.is_file():
        raise InputError(
            f"there is no {arguments.system_map}; make writes System.map beside vmlinux, name that one"
        )
    with gather(arguments.image, arguments.system_map, arguments.release) as gathered:
        if host := arguments.to or os.environ.get("KEEPSANE_TO"):
            return send_build(host, gathered, arguments.machine)
        return _publish(gathered, arguments.machine, snapshot_here())


def send_build(host: str, gathered: Gathered, machine: str | None) -> int:
    """Send a build to the keepsane of another machine, and say what that says. Raises InputError."""
    answer = send_to(ssh_words(host, os.environ), gathered, meant_name(machine))
    sys.stdout.writelines(f"{escaped(host)}: {escaped(line)}\n" for line in answer.splitlines())
    return 0


def _receive(machine: str | None) -> int:
    with TemporaryDirectory(prefix="keepsane-") as scratch:
        gathered, wanted = receive(sys.stdin.buffer, Path(scratch))
        check_image(gathered.files["kernel"])
        return _publish(gathered, machine or wanted, None)


def _publish(gathered: Gathered, name: str | None, taken: Snapshot | None) -> int:
    machine = machine_or_none(name)
    build = keep(gathered, machine, taken, made=False)
    sys.stdout.write(f"kept {escaped(build.release)} {build.number} as {build.id}\n")
    if machine is None:
        sys.stdout.write(f"{offered_to_nobody(build.id)}\n")
    else:
        with closing(History(netboot_folder())) as history:
            history.offer(machine.name, build.id)
        sys.stdout.write(f"{machine.name} gets it ({presence_words(netboot_folder(), machine.name)})\n")
    keep_debug(build)
    return 0
