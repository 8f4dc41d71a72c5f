# SPDX-License-Identifier: GPL-2.0-or-later
"""
Changing a machine's file: one setting, or all of it.

    before    # the box under the desk          after    # the box under the desk
              command_line = "quiet"  # mine             command_line = "debug"  # mine

Comments and order stay (tomlkit). What is written was checked first, and takes the file's place at once,
with the file's mode: a server that reads meanwhile gets the old or the new one. A link stays a link.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keepsane.errors import InputError, MissingExtraError, OutputError
from keepsane.machine.file import parse_toml, read_bytes
from keepsane.machine.machine import Machine, parse_machine

_NEW_MODE = 0o600
"""It may hold a secret one day, and it names commands."""


def with_setting(path: Path, content: bytes, key: str, value: str) -> bytes:
    """
    Give what a machine's file holds with one setting changed or added.

    Raises InputError where it would not be a machine's file then, MissingExtraError without tomlkit.
    """
    try:
        import tomlkit
    except ImportError as error:
        raise MissingExtraError(
            "changing a machine's file needs tomlkit: pip install 'keepsane[test-machine]'"
        ) from error
    parse_toml(path, content)  # what reads is tomllib, and its sentences are the known ones
    document = tomlkit.parse(content.decode())
    document[key] = value
    changed = tomlkit.dumps(document).encode()
    check(path, changed)
    return changed


def check(path: Path, content: bytes) -> Machine:
    """Read what is to become a machine's file. Raises InputError as reading the file would."""
    return parse_machine(path, parse_toml(path, content))


def content_now(path: Path) -> bytes | None:
    """Give what a machine's file holds, None where there is none yet. Raises InputError."""
    return read_bytes(path) if path.exists() or path.is_symlink() else None


def replace(path: Path, before: bytes | None, content: bytes, mode: int | None = None) -> None:
    """
    Put new content in a file's place, with the mode it has, or `mode`.

    `before` is what the file held when it was read, None where it was not there. Raises InputError where it
    holds something else by now, OutputError where it cannot be written.
    """
    real = path.resolve()
    try:
        real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(real.parent), _half(real) as half:
            half.write_bytes(content)
            half.chmod(_mode(real) if mode is None else mode)
            _sync(half)
            if content_now(path) != before:
                raise InputError(
                    f"{path} was changed by somebody else meanwhile; nothing is written, try again"
                )
            half.replace(real)
            _sync(real.parent)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return _NEW_MODE


@contextmanager
def _half(path: Path) -> Iterator[Path]:
    """Give a new file beside another; it goes where it was not moved away."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one keepsane at a time compare and rename in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
