# SPDX-License-Identifier: GPL-2.0-or-later
"""
The lines of source around a place that DWARF names.

A path in DWARF is data: it says what a file is called, never where to look. Only regular source files are
opened, in the directory the user named and nowhere outside of it; without one in the tree that the binary
itself lies in, and there no link is followed and no file of another user read. So a binary from a stranger
shows nothing that the stranger does not have.
"""

from __future__ import annotations

import errno
import os
import pwd
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from keepsane.model import SourceLine, SourceText
from keepsane.symbols.binary.elf import Elf
from keepsane.symbols.lines.git_tree import GitTree

_SOURCE = re.compile(r"[^/]{1,255}\.(?:c|h|S|s|rs|lds)\Z", re.DOTALL)
_MARKS = (".config", "Kbuild", "Makefile")
_AROUND_LINES = 3
_MAX_FILE_BYTES = 16 << 20
_MAX_FILES = 2000
_MAX_LINE_CHARACTERS = 400
_MAX_PARTS = 64
_DIRECTORY = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class _File(NamedTuple):
    """A source file as it was read; without lines where it was not found."""

    path: str
    lines: tuple[str, ...]


_NOT_FOUND = _File("", ())


@dataclass(slots=True)
class SourceTree:
    """
    A directory with sources and the files read so far; without a directory nothing is quoted.

    With `git` they are read from that git tree, and from no directory. `is_named` says that the user named
    it: links inside of it are followed then as far as they stay inside, and its files may be anybody's.
    """

    directory: Path | None
    is_named: bool = True
    files: dict[str, _File] = field(default_factory=dict)
    git: GitTree | None = None


def tree_of(elf: Elf) -> SourceTree:
    """
    Give the tree that a binary lies in: the nearest folder above it with `.config`, `Kbuild` or `Makefile`.

    The root, a home directory and what is above it are no tree, nor is a folder that another user marked.
    """
    real = Path(os.path.realpath(elf.path))
    try:
        found = real.stat()
    except OSError:
        return SourceTree(None)
    if (found.st_dev, found.st_ino) != elf.identity[:2]:  # another file has its place by now
        return SourceTree(None)
    private = {folder for home in _homes() for folder in (home, *home.parents)}
    for folder in real.parents:
        if folder in private:
            break
        marks = [mark for name in _MARKS if (mark := _owner(folder / name)) is not None]
        if marks:
            return SourceTree(folder if any(map(_is_trusted, marks)) else None, is_named=False)
    return SourceTree(None)


def _homes() -> Iterator[Path]:
    yield Path("/")
    given = os.environ.get("HOME", "")
    if given.startswith("/"):
        yield Path(os.path.realpath(given))
    try:
        yield Path(os.path.realpath(pwd.getpwuid(os.geteuid()).pw_dir))
    except KeyError:  # a user without an entry
        return


def _owner(path: Path) -> int | None:
    try:
        return path.lstat().st_uid
    except OSError:
        return None


def _is_trusted(owner: int) -> bool:
    return owner in (0, os.geteuid())


def read_source(tree: SourceTree, line: SourceLine) -> SourceLine:
    """Add the source text around a line; the same line where it cannot be found."""
    if line.file is None or line.line is None:
        return line
    if line.file not in tree.files:
        if len(tree.files) >= _MAX_FILES:
            return line
        tree.files[line.file] = _found(tree, line.file)
    path, lines = tree.files[line.file]
    if not 0 < line.line <= len(lines):
        return line
    first = max(line.line - _AROUND_LINES, 1)
    return replace(line, text=SourceText(first, lines[first - 1 : line.line + _AROUND_LINES], path))


def _found(tree: SourceTree, file: str) -> _File:
    if tree.git is not None:
        return _committed(tree.git, file)
    return _NOT_FOUND if tree.directory is None else _read(tree, tree.directory, file)


def _committed(git: GitTree, file: str) -> _File:
    for parts in _places(Path(os.path.realpath(git.repository)), file):
        content = git.content(parts) if _SOURCE.match(parts[-1]) else None
        if content is not None:
            return _File(f"{git.tree[:12]}:{'/'.join(parts)}", _lines(content))
    return _NOT_FOUND


def _read(tree: SourceTree, directory: Path, file: str) -> _File:
    top = Path(os.path.realpath(directory))
    try:
        descriptor = _opened_directory(top)
    except OSError:
        return _NOT_FOUND
    try:
        for parts in _places(top, file):
            inside = _resolved(top, parts) if tree.is_named else parts
            content = _content(descriptor, inside, is_named=tree.is_named) if inside else None
            if content is not None:
                return _File(str(top.joinpath(*inside)), content)
    finally:
        os.close(descriptor)
    return _NOT_FOUND


def _places(top: Path, file: str) -> Iterator[Sequence[str]]:
    """Give the places below a directory that a path may mean, its longest end first."""
    parts = _plain_parts(file)[-_MAX_PARTS:]
    for start in range(len(parts)):
        # `mm/slab.c` must not become any `slab.c`, unless the directory is that `mm`.
        if not start or file.startswith("/") or parts[start - 1] == top.name:
            yield parts[start:]


def _plain_parts(file: str) -> list[str]:
    """Resolve `.` and `..` in a path without looking at the disk; what leads above its start is dropped."""
    parts: list[str] = []
    for part in PurePosixPath(file).parts:
        if part == "..":
            del parts[-1:]
        elif part not in ("/", "//", "."):
            parts.append(part)
    return parts


def _resolved(top: Path, parts: Sequence[str]) -> Sequence[str]:
    """Follow links; nothing is left of what they lead out of the directory."""
    try:
        # Not Path.resolve(): before Python 3.13 it raises RuntimeError where links lead in a circle.
        path = Path(os.path.realpath(top.joinpath(*parts)))
    except (OSError, ValueError):
        return ()
    return path.relative_to(top).parts if path.is_relative_to(top) else ()


def _content(top: int, parts: Sequence[str], *, is_named: bool) -> tuple[str, ...] | None:
    """Read a source file below an open directory, each part of its path by itself, none through a link."""
    # The name that is opened counts, not the one that led there.
    if not _SOURCE.match(parts[-1]):
        return None
    try:
        descriptor = _opened_below(top, parts)
    except (OSError, ValueError):
        return None
    with os.fdopen(descriptor, "rb") as opened:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or not (is_named or _is_own(found)):
            return None
        try:
            read = opened.read(_MAX_FILE_BYTES + 1)
        except OSError:
            return None
    if len(read) > _MAX_FILE_BYTES:
        return None
    return _lines(read)


def _lines(content: bytes) -> tuple[str, ...]:
    lines = content.decode("utf-8", "replace").split("\n")
    return tuple(line.rstrip("\r")[:_MAX_LINE_CHARACTERS] for line in lines)


def _is_own(found: os.stat_result) -> bool:
    # A second name of a file may be a stranger's name for a file of the user that lies elsewhere.
    return _is_trusted(found.st_uid) and found.st_nlink == 1


def _opened_directory(path: Path) -> int:
    """Open a directory by its real path; a part that became a link since then is not followed."""
    descriptor = os.open("/", _DIRECTORY)
    for part in path.parts[1:]:
        descriptor = _step(descriptor, part)
    return descriptor


def _opened_below(top: int, parts: Sequence[str]) -> int:
    *folders, name = parts
    folder = os.dup(top)
    for part in folders:
        folder = _step(folder, part)
    try:
        # Before it is opened, too: opening some devices does something.
        if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        return os.open(name, _FILE, dir_fd=folder)
    finally:
        os.close(folder)


def _step(folder: int, part: str) -> int:
    try:
        return os.open(part, _DIRECTORY, dir_fd=folder)
    finally:
        os.close(folder)
