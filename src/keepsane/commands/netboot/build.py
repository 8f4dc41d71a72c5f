# SPDX-License-Identifier: GPL-2.0-or-later
"""
Run make in a kernel tree; the machine that waits shows how far it is, and boots what was built.

What make writes is shown as it comes. Where it fails, the machine shows its first errors and goes on waiting.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from keepsane.commands.netboot.follow import follow, signals_interrupt
from keepsane.commands.netboot.machine import chosen_machine
from keepsane.errors import HistoryError, InputError, KeepsaneError, SymbolError
from keepsane.folders import debug_folder
from keepsane.netboot.debug_files import unpack_debug
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import History
from keepsane.netboot.install import said_of, sources
from keepsane.netboot.modules import pack_modules
from keepsane.netboot.store import Build, Store
from keepsane.render.visible import escaped
from keepsane.symbols.binary.elf import read_elf

IMAGE = "arch/x86/boot/bzImage"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot build` takes."""
    parser.add_argument("--machine", metavar="NAME", help="the machine to build for")
    parser.add_argument("make", nargs="+", metavar="make", help="make and its arguments, behind --")


def run(arguments: argparse.Namespace) -> int:
    """Build, publish, offer. Gives 1 where make fails; raises InputError where there is no kernel then."""
    machine = chosen_machine(arguments.machine)
    with closing(History(netboot_folder())) as history, signals_interrupt():
        number = history.begin(machine.name, escaped(str(Path.cwd())))
        try:
            build = _built(arguments.make, history, number, machine.name)
        except BaseException as problem:
            with suppress(HistoryError):  # what went wrong first is what is said
                history.fail(number, _said(problem))
            raise
    if build is None:
        return 1
    sys.stdout.write(f"{machine.name} boots {build.release} {build.number}, {build.id}\n")
    keep_debug(build)
    return 0


def _built(make: Sequence[str], history: History, number: int, machine: str) -> Build | None:
    """Give what is published and offered, None where make fails."""
    code, errors = follow(make, history, number)
    if code:
        history.fail(number, "\n".join(errors))
        return None
    build = publish(machine)
    history.publish(number, build.id)
    return build


def _said(problem: BaseException) -> str:
    """Say on the machine's screen what the terminal says too."""
    match problem:
        case KeyboardInterrupt():
            return "it was interrupted"
        case KeepsaneError():
            return escaped(str(problem))
        case OSError():
            return f"keepsane cannot go on: {problem.strerror or problem}"
    return "keepsane could not go on"


def keep_debug(build: Build) -> None:
    """Put vmlinux and modules where `keepsane explain` finds them; the machine starts meanwhile."""
    try:
        unpack_debug(Store(netboot_folder()), build, debug_folder(), _build_id_of)
    except (OSError, InputError) as error:
        why = getattr(error, "strerror", None) or str(error)
        sys.stderr.write(f"keepsane explain needs --vmlinux and --modules for it: {escaped(why)}\n")


def _build_id_of(path: Path) -> str | None:
    """Read a build-id; a file that is none of the kernel's has none."""
    try:
        return read_elf(path).build_id
    except SymbolError:
        return None


def publish(machine: str) -> Build:
    """Keep the kernel that lies in the current directory. Raises InputError where there is none."""
    if not Path(IMAGE).is_file():
        raise InputError(f"make ended well, and there is no {IMAGE} here; let it build one: make bzImage")
    return keep(Path(IMAGE), Path("System.map"), "", machine)


def keep(image: Path, system_map: Path, release: str, machine: str) -> Build:
    """Keep a kernel with the vmlinux of the current directory. Raises InputError where it is no kernel."""
    vmlinux = Path("vmlinux")
    build_id = _build_id_of(vmlinux) if vmlinux.is_file() else None
    with TemporaryDirectory(prefix="keepsane-") as scratch:
        packed = pack_modules(Path(), Path(scratch))
        if packed.problem:
            sys.stderr.write(f"keepsane: {escaped(packed.problem)}\n")
        said = said_of(image, release, build_id) | {"machine": machine}
        return Store(netboot_folder()).publish({**sources(image, system_map), **packed.files}, said)
