# SPDX-License-Identifier: GPL-2.0-or-later
"""
The lines of source around a place that DWARF names.

A path in DWARF is data: only regular source files are opened, nothing outside the directory the user named,
and without one only where the absolute path is there.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from keepsane.model import SourceLine, SourceText
from keepsane.symbols.elf import open_regular

_SOURCE = re.compile(r".*\.(c|h|S|s|rs|inc|lds)\Z", re.DOTALL)
_AROUND_LINES = 3
_MAX_FILE_BYTES = 16 << 20
_MAX_FILES = 2000
_MAX_LINE_CHARACTERS = 400


class _File(NamedTuple):
    """A source file as it was read; without lines where it was not found."""

    path: str
    lines: tuple[str, ...]


_NOT_FOUND = _File("", ())


@dataclass(slots=True)
class SourceTree:
    """A directory with sources, or None for the paths in DWARF, and the files read so far."""

    directory: Path | None
    files: dict[str, _File] = field(default_factory=dict)


def read_source(tree: SourceTree, line: SourceLine) -> SourceLine:
    """Add the source text around a line; the same line where it cannot be found."""
    if line.file is None or line.line is None:
        return line
    if line.file not in tree.files:
        if len(tree.files) >= _MAX_FILES:
            return line
        tree.files[line.file] = _read(tree.directory, line.file)
    path, lines = tree.files[line.file]
    if not 0 < line.line <= len(lines):
        return line
    first = max(line.line - _AROUND_LINES, 1)
    return replace(line, text=SourceText(first, lines[first - 1 : line.line + _AROUND_LINES], path))


def _read(directory: Path | None, file: str) -> _File:
    try:
        path = _find(directory, file)
        if path is None:
            return _NOT_FOUND
        with open_regular(path) as opened:
            read = opened.read(_MAX_FILE_BYTES + 1)
    except (OSError, ValueError):
        return _NOT_FOUND
    if len(read) > _MAX_FILE_BYTES:
        return _NOT_FOUND
    content = read.decode("utf-8", "replace")
    return _File(str(path), tuple(line.rstrip("\r")[:_MAX_LINE_CHARACTERS] for line in content.split("\n")))


def _find(directory: Path | None, file: str) -> Path | None:
    if not _SOURCE.match(file):
        return None
    if directory is None:
        path = Path(file)
        return path if path.is_absolute() else None
    top = _resolved(directory)
    parts = _plain_parts(file)
    for start in range(len(parts)):
        if start and not file.startswith("/") and parts[start - 1] != top.name:
            # `mm/slab.c` must not become any `slab.c`, unless the directory is that `mm`.
            continue
        path = _resolved(top.joinpath(*parts[start:]))
        if path.is_relative_to(top) and path.is_file():
            return path
    return None


def _resolved(path: Path) -> Path:
    # Not Path.resolve(): before Python 3.13 it raises RuntimeError where links lead in a circle.
    return Path(os.path.realpath(path))


def _plain_parts(file: str) -> list[str]:
    """Resolve `.` and `..` in a path without looking at the disk; what leads above its start is dropped."""
    parts: list[str] = []
    for part in PurePosixPath(file).parts:
        if part == "..":
            del parts[-1:]
        elif part not in ("/", "."):
            parts.append(part)
    return parts
