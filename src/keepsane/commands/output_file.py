# SPDX-License-Identifier: GPL-2.0-or-later
"""
A file that `-o` names: as it was until all is written, then the new one under the old one's name.

Until then the text lies in a file without a name in the same folder, which vanishes however the process ends.
A link is followed and what it leads to is replaced; one that leads nowhere is refused. What is no regular
file (a terminal, a FIFO) is written directly, and so is what /dev/fd and /proc name.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from types import FrameType
from typing import BinaryIO, NamedTuple, TextIO

from keepsane.commands.streams import said

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Target(NamedTuple):
    """The file to write: its real path, what is there now, and whether it is written without a copy."""

    path: Path
    old: os.stat_result | None
    direct: bool = False


@contextmanager
def open_file(name: str) -> Iterator[TextIO]:
    """Give a text stream whose content becomes the file's where the block ends without an error."""
    with said(name):
        target = target_of(name)
        stream = _direct(target) if target.direct else _nameless(target.path.parent)
    try:
        yield stream
        with said(name):
            stream.flush()
            if not target.direct:
                _replace(target, stream)
            stream.close()
    finally:
        _close(stream)


def target_of(name: str) -> Target:
    """Find out what `name` is. Raises OSError where it cannot be written."""
    path = Path(name)
    if not name or name.endswith("/"):
        raise OSError(errno.EISDIR, "this is no name of a file")
    old = _status(path)
    if old is None:
        return Target(_new(path), None)
    if stat.S_ISDIR(old.st_mode):
        raise OSError(errno.EISDIR, "it is a directory")
    if not stat.S_ISREG(old.st_mode) or _leads_to_open_file(path):
        return Target(path, old, direct=True)
    # Opened by the name given: what the system does not let us write through this link is not replaced.
    os.close(os.open(path, os.O_WRONLY | os.O_CLOEXEC))
    return Target(_in_open_folder(path.resolve()), old)


def _leads_to_open_file(path: Path) -> bool:
    """Tell whether it is /dev/stderr, /dev/fd/3 or the like, which name what is open already."""
    folder = path.parent.resolve()
    return folder == Path("/dev") or folder.parts[1:2] == ("proc",)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _new(path: Path) -> Path:
    if path.is_symlink():
        raise OSError(errno.ENOENT, "it is a link that leads nowhere")
    return _in_open_folder(path.parent.resolve(strict=True) / path.name)


def _in_open_folder(path: Path) -> Path:
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OSError(errno.EACCES, "nothing can be written into its folder")
    return path


def _direct(target: Target) -> TextIO:
    # Appending: what /dev/stderr leads to may be a log that goes on.
    return target.path.open("a", encoding="utf-8", errors="backslashreplace")


def _nameless(folder: Path) -> TextIO:
    return TemporaryFile("w+", encoding="utf-8", errors="backslashreplace", newline="", dir=folder)


def _replace(target: Target, stream: TextIO) -> None:
    """Copy the text into a new file beside the old one, and give it the old one's name."""
    draft = target.path.with_name(f".keepsane-{os.urandom(8).hex()}")
    with _held():
        mode = 0o666 if target.old is None else 0o600
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            with os.fdopen(file, "wb") as copy:
                _copy(target, stream, copy)
            draft.replace(target.path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


def _copy(target: Target, stream: TextIO, copy: BinaryIO) -> None:
    if target.old is not None:
        _keep(copy.fileno(), target.old)
    stream.buffer.seek(0)
    shutil.copyfileobj(stream.buffer, copy)


def _keep(file: int, old: os.stat_result) -> None:
    """Give the new file the old one's owner and mode as far as that is permitted."""
    mode = old.st_mode & 0o777
    try:
        os.fchown(file, old.st_uid, old.st_gid)
    except OSError:  # only root gives files away
        mode = _keep_group(file, old, mode)
    try:
        os.fchmod(file, mode)
    except OSError:  # a file system without modes
        pass


def _keep_group(file: int, old: os.stat_result, mode: int) -> int:
    """Give the mode that is left; a group that is not the old one's gets no rights of it."""
    try:
        os.fchown(file, -1, old.st_gid)
    except OSError:
        return mode & ~0o070
    return mode


@contextmanager
def _held() -> Iterator[None]:
    """Hold back what ends the process for as long as a file with a name of its own is not whole."""
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.signal(number, note) for number in _ENDING}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)
        for each in came:
            signal.raise_signal(each)


def _close(stream: TextIO) -> None:
    try:
        stream.close()
    except OSError:
        pass  # it was said, or nothing of it is kept
