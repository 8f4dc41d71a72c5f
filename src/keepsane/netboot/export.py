# SPDX-License-Identifier: GPL-2.0-or-later
"""
A build as files for a web server that is there: it cannot hold a machine, and gives the same build each time.

    kernel  initrd  modules  boot.ipxe

boot.ipxe names the others relative to itself, so the folder may lie anywhere. What machines get is copied,
and nothing else of a build.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from keepsane.errors import InputError
from keepsane.machine.command_line import check_command_line
from keepsane.netboot.script import File, boot_script

SCRIPT = "boot.ipxe"
_READABLE = 0o644


def static_script(names: Mapping[str, Path], command_line: str, title: str) -> str:
    """Write the script of files by their names, the kernel first. Raises InputError for the command line."""
    if wrong := check_command_line(command_line):
        raise InputError(f"its command line cannot be booted: {wrong}")
    kernel, *initrds = (File(name, name) for name in names)
    return boot_script(kernel, initrds, command_line, title)


def export(folder: Path, files: Mapping[str, Path], script: str) -> None:
    """Copy the files, and write the script behind them: it never names what is not there. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".half-") as half:
        for name, path in files.items():
            _copy(path, Path(half) / name)
        (Path(half) / SCRIPT).write_text(script, encoding="ascii")
        for name in (*files, SCRIPT):
            (Path(half) / name).chmod(_READABLE)
            (Path(half) / name).replace(folder / name)
    for name in {"initrd", "modules"} - files.keys():
        (folder / name).unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        if error.filename == str(source):
            raise InputError(f"cannot read {source}: {error.strerror or error}") from error
        raise
