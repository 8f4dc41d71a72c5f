# SPDX-License-Identifier: GPL-2.0-or-later
"""
Open a machine's file in an editor: $VISUAL, $EDITOR or vi. A machine that is not there begins as a template.

What was saved is checked first. Where it is wrong the editor opens again; without a terminal what was typed
is kept beside the file as NAME.toml.edited, and the next edit begins with it. A server that runs takes the
new file with the next poll of its machine.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from keepsane.errors import InputError, KeepsaneError, OutputError
from keepsane.machine.file import read_bytes
from keepsane.machine.machine import Machine, machine_file, other_machines
from keepsane.machine.root import wrong_root
from keepsane.machine.template import TEMPLATE
from keepsane.machine.write import check, content_now, replace
from keepsane.render.visible import escaped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot edit` takes."""
    parser.add_argument("machine", metavar="MACHINE", help="its name: 1 to 32 of a to z, 0 to 9 and -")


def run(arguments: argparse.Namespace) -> int:
    """Edit it. Raises InputError for what is no machine's file, OutputError where it cannot be written."""
    path = machine_file(arguments.machine)
    before = content_now(path)
    start = TEMPLATE.replace("test-box", path.stem).encode() if before is None else before
    kept = path.with_name(f"{path.name}.edited")
    copy = _copy(path, _begun(kept, start))
    try:
        after = _edited(copy, path)
        if after != start:
            replace(path, before, after)
    except KeepsaneError as error:
        if _is_as(copy, start):
            copy.unlink(missing_ok=True)
            raise
        copy = _keep(copy, kept)
        raise type(error)(
            f"{error}; what you wrote is in {copy}, and the next edit begins with it"
        ) from error
    copy.unlink(missing_ok=True)
    kept.unlink(missing_ok=True)
    if after == start:
        sys.stdout.write(f"{path.stem}: nothing was changed, nothing is written\n")
    else:
        _say(path, check(path, after))
    return 0


def _say(path: Path, machine: Machine) -> None:
    """Say that it is written, and what its machine misses to boot."""
    gets_it = f"; {path.stem} gets it with its next poll" if machine.mac else ""
    sys.stdout.write(f"{escaped(str(path))} is written{gets_it}\n")
    if not machine.mac:
        sys.stdout.write(
            f"{path.stem} has no network card yet, so nobody is taken for it: start it, find its card with "
            "`keepsane netboot history --candidates`, and write that as mac\n"
        )
    if wrong := wrong_root(machine.command_line, has_initrd=machine.initrd is not None):
        sys.stdout.write(f"{escaped(wrong)}\n")


def _begun(kept: Path, start: bytes) -> bytes:
    """Give what an edit before this one left, else the file. Raises InputError where it cannot be read."""
    begun = content_now(kept)
    if begun is None:
        return start
    sys.stdout.write(f"it begins with what was typed before, {escaped(str(kept))}\n")
    return begun


def _keep(copy: Path, kept: Path) -> Path:
    """Give what was typed the name that the next edit looks for."""
    try:
        return copy.replace(kept)
    except OSError:
        return copy


def _is_as(copy: Path, start: bytes) -> bool:
    """Say whether nothing was typed: then nothing is lost with the copy."""
    try:
        return read_bytes(copy) == start
    except InputError:
        return not copy.exists()


def _copy(path: Path, content: bytes) -> Path:
    """Write a copy for the editor beside the file, under a name that is no machine's. Raises OutputError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The ending lets an editor know the language; the dot in front keeps it from being a machine.
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".toml")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        raise OutputError(f"cannot write a copy beside {path}: {error.strerror or error}") from error
    return Path(name)


def _edited(copy: Path, path: Path) -> bytes:
    """Let the user edit until what is saved is a machine's file. Raises InputError where they give up."""
    while True:
        _open(copy)
        content = read_bytes(copy)
        try:
            machine = check(path, content)
            for wrong in other_machines(path, machine):
                raise InputError(wrong)
        except InputError as error:
            if not _again(error):
                raise
        else:
            return content


def _open(copy: Path) -> None:
    said = next(filter(None, map(os.environ.get, ("VISUAL", "EDITOR"))), "vi")
    try:
        words = shlex.split(said)
        code = subprocess.run((*words, str(copy))).returncode if words else 127
    except (OSError, ValueError) as error:  # ValueError: an open quote, a NUL
        why = getattr(error, "strerror", None) or error
        raise InputError(f"cannot start the editor {said}: {why}; EDITOR names one") from error
    if code:
        raise InputError(f"the editor {said} ended with {code}; nothing is written")


def _again(error: InputError) -> bool:
    """Ask whether to open the editor again; without a terminal nobody can be asked."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    sys.stderr.write(f"keepsane: {escaped(str(error))}\nedit it again? [Y/n] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("", "y", "yes")
