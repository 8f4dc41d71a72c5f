# SPDX-License-Identifier: GPL-2.0-or-later
"""
Reading the file of a machine, which may be anything: a pipe that nobody writes to, a gigabyte, a folder.

The file is opened without waiting and looked at before it is read.
"""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any

from keepsane.errors import InputError

MAX_FILE_BYTES = 64 << 10

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_toml(path: Path) -> dict[str, Any]:
    """Read a small TOML file. Raises InputError with the file and what is wrong with it."""
    return parse_toml(path, read_bytes(path))


def parse_toml(path: Path, content: bytes) -> dict[str, Any]:
    """Read what a file holds. Raises InputError, with the file's name."""
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}: line {line} is not UTF-8; write it anew in an editor") from error
    except ValueError as error:  # TOML's, or of a number that has too many digits
        raise InputError(f"{path}: {error}") from error
    except RecursionError as error:
        raise InputError(f"{path}: it is nested too deeply") from error


def read_bytes(path: Path, most: int = MAX_FILE_BYTES) -> bytes:
    """Read a regular file of at most so many bytes. Raises InputError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise InputError(f"cannot read {path}: {_why_not(path, error)}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path} is {_KINDS.get(stat.S_IFMT(status.st_mode), 'no file')}, not a file")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(most + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    finally:
        os.close(descriptor)
    if len(content) > most:
        size = max(status.st_size, len(content))
        raise InputError(f"{path} has {size} bytes; keepsane reads at most {most} of such a file")
    return content


def _why_not(path: Path, error: OSError) -> str:
    """Say why it cannot be opened; a link to nothing and a socket give errors that hide what they are."""
    try:
        kind = stat.S_IFMT(path.lstat().st_mode)
    except OSError:
        return error.strerror or str(error)
    if kind == stat.S_IFSOCK:
        return "it is a socket, not a file"
    if kind == stat.S_IFLNK and isinstance(error, FileNotFoundError):
        return "it is a link to a file that does not exist"
    return error.strerror or str(error)
