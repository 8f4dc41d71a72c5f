# SPDX-License-Identifier: GPL-2.0-or-later
"""Keep the kernel that lies in the current directory as a build, signed where its machine wants that."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from keepsane.errors import InputError, SymbolError
from keepsane.folders import debug_folder
from keepsane.machine.machine import Machine, machines_folder
from keepsane.netboot.debug_files import unpack_debug
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.install import Gathered, said_of, source_tree, sources
from keepsane.netboot.modules import pack_modules
from keepsane.netboot.sign import sign
from keepsane.netboot.source_tree import Snapshot, keep_tree, snapshot
from keepsane.netboot.store import Build, Store
from keepsane.render.visible import escaped
from keepsane.symbols.binary.elf import read_elf

IMAGE = "arch/x86/boot/bzImage"


@contextmanager
def gather_here() -> Iterator[Gathered]:
    """Gather what make built in the current directory. Raises InputError where that is no kernel."""
    if not Path(IMAGE).is_file():
        raise InputError(f"make built no kernel: there is no {IMAGE} here")
    with gather(Path(IMAGE), Path("System.map"), "") as gathered:
        yield gathered


@contextmanager
def gather(image: Path, system_map: Path, release: str) -> Iterator[Gathered]:
    """Gather a kernel and what belongs to it in the current directory. Raises InputError."""
    vmlinux = Path("vmlinux")
    said = said_of(image, release, _build_id_of(vmlinux) if vmlinux.is_file() else None)
    with TemporaryDirectory(prefix="keepsane-") as scratch:
        packed = pack_modules(Path(), Path(scratch))
        if packed.problem:
            sys.stderr.write(f"keepsane: {escaped(packed.problem)}\n")
        yield Gathered({**sources(image, system_map), **packed.files}, said, Path(scratch))


def snapshot_here() -> Snapshot:
    """Write the sources as they are now as a git tree."""
    return snapshot(source_tree(os.environ))


def keep(gathered: Gathered, machine: Machine | None, taken: Snapshot | None, *, made: bool) -> Build:
    """
    Sign and publish; `taken` is None where the sources lie on another machine, `made` says that make ran.

    Raises InputError where it cannot be signed, OSError where there is no room.
    """
    if machine is not None and machine.sign:
        gathered = sign(gathered, machine.sign, machines_folder())
    store = Store(netboot_folder())
    name = "" if machine is None else machine.name
    tree = "" if taken is None else taken.tree
    build = store.publish(gathered.files, {**gathered.said, "machine": name, "source_tree": tree})
    if tree and (problem := keep_tree(Path(build.tree), build.id, tree)):
        sys.stderr.write(f"keepsane: git may remove the sources of {build.id}: {escaped(problem)}\n")
    if taken is not None and taken.problem:
        sys.stdout.write(f"its sources are not kept: {escaped(taken.problem)}\n")
    before = store.last_of_tree(build)
    if before is not None and before.kernel_sha256 == build.kernel_sha256:
        sys.stdout.write(_again(build, before, made=made, was_sent=taken is None))
    return build


def _again(build: Build, before: Build, *, made: bool, was_sent: bool) -> str:
    """Say that the kernel is the one before, and why that may be."""
    said = f"this is the kernel of {before.id} again"
    if was_sent:  # by make install or not, that machine knows
        return f"{said}\n"
    if not made:
        return f"{said}: make install builds none, make does\n"
    if build.file("modules") != before.file("modules"):
        return f"{said}, its modules are others\n"
    return f"make changed nothing: {said}\n"


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
