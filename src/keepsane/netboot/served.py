# SPDX-License-Identifier: GPL-2.0-or-later
"""What a machine gets of a build: the kernel, its initrd, and the modules as a second one."""

from __future__ import annotations

from pathlib import Path

from keepsane.folders import cache_folder
from keepsane.machine.machine import Machine
from keepsane.machine.settings import GENERATED
from keepsane.netboot.initrd import generated_initrd
from keepsane.netboot.store import Build, Store


def served_files(store: Store, machine: Machine, build: Build) -> dict[str, Path]:
    """
    Give the files by the names they have there, the kernel first, the modules behind what they lie over.

    Raises InputError where the generated initrd cannot be made, OutputError where it cannot be written.
    """
    files = {"kernel": store.path(build, "kernel")}
    if machine.initrd == GENERATED:
        files["initrd"] = generated_initrd(cache_folder(), machine.busybox)
    elif machine.initrd is not None:
        files["initrd"] = machine.initrd
    if machine.modules and build.file("modules") is not None:
        files["modules"] = store.path(build, "modules")
    return files


def with_own_words(command_line: str, boot: str, server: str | None) -> str:
    """
    Put in front of a command line which boot it is, and who serves it.

        keepsane.boot=0123456789abcdef0123456789abcdef keepsane.server=192.168.1.5:8069 console=ttyS0

    In front, since a quote that is left open or a `--` would take what stands behind. The kernel passes over
    such words: with a dot in it a name is a module's (kernel/params.c). What runs on the machine reads them.
    """
    own = [f"keepsane.boot={boot}", *([f"keepsane.server={server}"] if server else [])]
    return " ".join((*own, command_line)).rstrip()
