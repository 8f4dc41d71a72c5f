# SPDX-License-Identifier: GPL-2.0-or-later
"""Opening a file that a user names: a pipe would wait for a writer, and opening a device may do something."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

from keepsane.errors import InputError


def open_plain(path: Path) -> io.BufferedReader:
    """Open a regular file, by way of a link too. Raises InputError where it is none, or cannot be read."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{path} is no regular file; name one, or write what it gives into one first")
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        stream = os.fdopen(file, "rb")
    except (OSError, ValueError) as error:  # the second where a name holds a NUL
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise InputError(f"{path} is no regular file; name one")
    return stream
