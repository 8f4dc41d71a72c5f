# SPDX-License-Identifier: GPL-2.0-or-later
"""
Who may say which commands keepsane runs: the user whose file it is, and nobody else.

    /home/dave/.config/keepsane/machines/test-box.toml can be written by others too (mode 664), so the
    commands of test-box.toml are not run; chmod go-w /home/dave/.config/keepsane/machines/test-box.toml

A machine's file names commands (reboot, power, sign). They are run as lists of words, without a shell, and
only where nobody but their user can have written them: neither the file nor a folder on the way to it.
"""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def may_run(path: Path) -> str | None:
    """Say why the commands of a machine's file must not be run, None where they may be."""
    try:
        real = path.resolve(strict=True)
        return next((wrong for each in (real, *real.parents) if (wrong := _wrong(each, real))), None)
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle, in Python 3.11
        why = getattr(error, "strerror", None) or error
        return f"cannot look who may write {path}: {why}; its commands are not run"


def _wrong(path: Path, file: Path) -> str | None:
    status = path.stat()
    mode, owner = stat.S_IMODE(status.st_mode), status.st_uid
    quoted = shlex.quote(str(path))
    if path == file and not stat.S_ISREG(status.st_mode):
        return f"{path} is no file, so its commands are not run"
    not_run = f"so the commands of {file.name} are not run"
    if owner != os.geteuid() and (path == file or owner != 0):
        mine = os.geteuid()
        return f"{path} is user {owner}'s, and keepsane runs as {mine}, {not_run}; chown {mine} {quoted}"
    # In a folder such as /tmp nobody renames or removes what is another's.
    if mode & _BY_OTHERS and not (stat.S_ISDIR(status.st_mode) and mode & stat.S_ISVTX):
        return f"{path} can be written by others too (mode {mode:o}), {not_run}; chmod go-w {quoted}"
    return None
