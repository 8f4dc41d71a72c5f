# SPDX-License-Identifier: GPL-2.0-or-later
"""
Run make in a kernel tree; the machine that waits shows how far it is, and boots what was built.

What make writes is shown as it comes. Where it fails, the machine shows its first errors and goes on waiting.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from keepsane.commands.netboot.machine import chosen_machine
from keepsane.errors import InputError
from keepsane.folders import debug_folder
from keepsane.netboot.debug_files import unpack_debug
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import History
from keepsane.netboot.install import install
from keepsane.netboot.store import Build, Store
from keepsane.symbols.binary.elf import read_elf

IMAGE = "arch/x86/boot/bzImage"
_BETWEEN_SECONDS = 0.25
_MAX_ERRORS = 20
_ERROR = (" error: ", "*** ")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot build` takes."""
    parser.add_argument("--machine", metavar="NAME", help="the machine to build for")
    parser.add_argument("make", nargs="+", metavar="make", help="make and its arguments, behind --")


def run(arguments: argparse.Namespace) -> int:
    """Build, publish, offer. Gives 1 where make fails; raises InputError where there is no kernel then."""
    machine = chosen_machine(arguments.machine)
    history = History(netboot_folder())
    number = history.begin(machine.name, str(Path.cwd()))
    errors = ["it was interrupted"]
    try:
        code, errors = follow(arguments.make, history, number)
        if code == 0:
            errors = ["it was built, and could not be kept"]
            build = publish()
            errors = []
    finally:
        if errors:
            history.fail(number, "\n".join(errors))
    if code:
        return 1
    history.publish(number, build.id)
    sys.stdout.write(f"{machine.name} boots {build.release} {build.number}, {build.id}\n")
    keep_debug(build)
    return 0


def follow(make: Sequence[str], history: History, number: int) -> tuple[int, list[str]]:
    """Run make, note how far it is, and give its exit code and first errors. Raises InputError."""
    errors: list[str] = []
    noted = 0.0
    try:
        ran = subprocess.Popen(
            make, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        raise InputError(f"cannot run {make[0]}: {error.strerror}") from error
    with ran:
        for raw in ran.stdout or ():
            sys.stdout.buffer.write(raw)
            sys.stdout.buffer.flush()
            line = raw.decode("utf-8", "replace").strip()
            if len(errors) < _MAX_ERRORS and any(mark in line for mark in _ERROR):
                errors.append(line)
            if line and time.monotonic() - noted > _BETWEEN_SECONDS:
                history.progress(number, line)
                noted = time.monotonic()
    if ran.returncode and not errors:
        errors.append(f"{make[0]} ended with {ran.returncode}")
    return ran.returncode, errors


def keep_debug(build: Build) -> None:
    """Put the vmlinux where `keepsane explain` finds it; the machine starts meanwhile."""
    try:
        unpack_debug(Store(netboot_folder()), build, debug_folder())
    except OSError as error:
        sys.stderr.write(f"keepsane explain needs --vmlinux for it: {error.strerror or error}\n")


def publish() -> Build:
    """Keep the kernel that lies in the current directory. Raises InputError where there is none."""
    if not Path(IMAGE).is_file():
        raise InputError(f"make ended well, and there is no {IMAGE} here; let it build one: make bzImage")
    vmlinux = Path("vmlinux")
    build_id = read_elf(vmlinux).build_id if vmlinux.is_file() else None
    return install(Store(netboot_folder()), Path(IMAGE), Path("System.map"), "", build_id)
