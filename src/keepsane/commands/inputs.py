# SPDX-License-Identifier: GPL-2.0-or-later
"""What `-o` must never replace: anything that the same run reads, or might read."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from keepsane.errors import InputError
from keepsane.unpack import MAGICS

_MAGICS = (b"\x7fELF", *chain.from_iterable(MAGICS.values()))
_READ_BY_NAME = re.compile(r".*\.(?:ko|debug|[chSs]|rs|inc|lds)(?:\.(?:xz|gz|zst))?", re.DOTALL)
_BESIDE_RECORD = ("", "-wal", "-shm")
_ATOP_CAPTURE = frozenset({"missing", "time", "dmesg", ".dockerenv"})


def require_no_input(output: str | None, files: Iterable[str | None]) -> None:
    """
    Raise InputError where `-o` names a file that is read: one of `files` (`-` is standard input), or a
    folder's among them, a kernel's, a module's, or source.

    Modules, debug files and source are found by keepsane itself in many places, so they are known by what
    they are: no report is an ELF file, packed, or named `.c`.
    """
    status = _status(output) if output is not None else None
    if (
        output is None
        or status is None
        or not (stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode))
    ):
        return
    for source in files:
        if source is not None and _is_read(Path(output), status, source):
            raise InputError(f"-o {output} is what is read; give another file")
    if stat.S_ISREG(status.st_mode) and _is_binary_or_source(Path(output)):
        raise InputError(f"-o {output} is a binary or source that may be read, no report; give another file")


def _is_read(output: Path, status: os.stat_result, source: str) -> bool:
    if source == "-":
        return sys.stdin is not None and _same(status, os.fstat(0))
    if any(_same(status, _status(source + end)) for end in _BESIDE_RECORD):
        return True
    folder = _status(source)
    return folder is not None and stat.S_ISDIR(folder.st_mode) and _is_in_capture(output, Path(source))


def _is_in_capture(output: Path, folder: Path) -> bool:
    """Tell whether a file is part of a capture; a report that lies beside its folders is not."""
    real, top = output.resolve(), folder.resolve()
    inside = real.relative_to(top).parts if real.is_relative_to(top) else ()
    return len(inside) > 1 or (len(inside) == 1 and inside[0] in _ATOP_CAPTURE)


def _same(one: os.stat_result, other: os.stat_result | None) -> bool:
    return other is not None and os.path.samestat(one, other)


def _status(path: str) -> os.stat_result | None:
    try:
        return Path(path).stat()
    except OSError:  # not there, or in a folder that is closed to us: who opens it says so
        return None


def _is_binary_or_source(path: Path) -> bool:
    if _READ_BY_NAME.fullmatch(path.resolve().name):
        return True
    try:
        with path.open("rb") as file:
            return file.read(6).startswith(_MAGICS)
    except OSError:
        return False
