# SPDX-License-Identifier: GPL-2.0-or-later
"""
The file of a record: is it one, is it ours, and is it the one that SQLite has opened?

SQLite opens files by their names, its log and index beside the record too. Root may record into a folder that
others can write to: nothing that somebody else put there is written into.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path

from keepsane.database import BESIDE, make_tables, steps_beside
from keepsane.errors import InputError
from keepsane.memory.capture.plain_file import open_plain

HEAD_BYTES = 100
_MAGIC = b"SQLite format 3\0"
_APPLICATION = b"ksmr"  # the file's application_id, which tells a record from any other SQLite file
_LOGGED = 2  # in the head's bytes 18 and 19, where a log stands beside the file


def is_database(path: Path) -> bool:
    """Tell whether a file is of SQLite at all, as a record is and a capture is not."""
    try:
        with open_plain(path) as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except (InputError, OSError):
        return False


def check_record(path: Path) -> None:
    """Look at the file's first bytes. Raises InputError where it is no record, or a newer keepsane's."""
    try:
        with open_plain(path) as file:
            check_head(path, file.read(HEAD_BYTES))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def check_head(path: Path, head: bytes) -> None:
    """The same, for bytes that were read."""
    if not head.startswith(_MAGIC) or len(head) < HEAD_BYTES or head[68:72] != _APPLICATION:
        raise InputError(f"{path} is no record of keepsane; name a file that --record wrote, or a new one")
    version = int.from_bytes(head[60:64], "big")
    known = len(steps_beside(__file__))
    if version != known:
        raise InputError(f"{path} has version {version}, this keepsane reads {known}; update it")


def log_missing_words(path: Path) -> str:
    """
    Say that a record was copied while it was recorded, without its log; "" where it was not.

    To be asked before SQLite opens the file, which may make an empty log.
    """
    log = Path(f"{path}-wal")
    with open_plain(path) as file:
        head = file.read(HEAD_BYTES)
        if head[18:20] != bytes((_LOGGED, _LOGGED)) or _is_recording(file.fileno()):
            return ""
    if log.exists() and log.stat().st_size:
        return ""
    return f"{log.name} is missing beside {path.name}: it was copied while it was recorded; copy both"


def _is_recording(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def locked_file(path: Path, content: Callable[[], bytes]) -> int:
    """
    Open a file of ours for writing that nobody else records into, or make it with `content`.

    Raises InputError where it is a link, no regular file, another user's, or locked. Raises OSError.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    made = False
    try:
        file = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
        made = True
    except FileExistsError:
        file = _existing(path, flags)
    try:
        _require_ours(path, os.fstat(file))
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if made:
            _fill(path, file, content())
    except BlockingIOError as error:
        os.close(file)
        raise InputError(f"another process records into {path}; name another file") from error
    except BaseException:
        os.close(file)
        raise
    return file


def _fill(path: Path, file: int, content: bytes) -> None:
    try:
        if os.pwrite(file, content, 0) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        path.unlink()
        raise


def _existing(path: Path, flags: int) -> int:
    _require_ours(path, path.lstat())
    try:
        return os.open(path, flags)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise InputError(f"{path} is a link; name the file itself") from error


def _require_ours(path: Path, found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise InputError(f"{path} is a link; name the file itself")
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path} is no regular file; name another one")
    if found.st_uid != os.geteuid():
        raise InputError(f"{path} belongs to another user; name another file")


def require_ours_beside(path: Path) -> None:
    """Raise InputError where a file that SQLite writes beside the record is somebody else's, or a link."""
    for end in BESIDE:
        beside = Path(f"{path}{end}")
        if os.path.lexists(beside):
            _require_ours(beside, beside.lstat())


def require_opened(path: Path, file: int) -> None:
    """Raise InputError where SQLite has opened another file than that one: the name leads elsewhere."""
    mine = os.fstat(file)
    others = (
        int(open_file.name) for open_file in Path("/proc/self/fd").iterdir() if open_file.name != str(file)
    )
    if not any(_is_same(number, mine) for number in others):
        raise InputError(f"{path} was replaced by another file meanwhile; name another one")


def _is_same(file: int, mine: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(file), mine)
    except OSError:  # the one that listed them
        return False


def require_schema(path: Path, connection: sqlite3.Connection) -> None:
    """Raise InputError where the file has other tables than ours, or views and triggers beside them."""
    if _schema(connection) != _our_schema():
        raise InputError(f"{path} is no record of keepsane; name a file that --record wrote")


def _schema(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    return connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name LIMIT 9").fetchall()


@cache
def _our_schema() -> list[tuple[object, ...]]:
    with closing(_new()) as connection:
        return _schema(connection)


def empty_record() -> bytes:
    """Give the content of a record without samples."""
    with closing(_new()) as connection:
        return connection.serialize()


def _new() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    make_tables(connection, steps_beside(__file__))
    connection.execute(f"PRAGMA application_id = {int.from_bytes(_APPLICATION, 'big')}")
    return connection
