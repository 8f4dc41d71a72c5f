# SPDX-License-Identifier: GPL-2.0-or-later
"""
What every SQLite file of keepsane's needs: its tables made step by step, its folder private, damage told from
what passes.

The steps of a file stand beside the module that owns it, as sql/0001.sql, sql/0002.sql, ...; the file's
`user_version` counts those that were made. A step that was released never changes: what changes is one more.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite writes beside a file."""
PROBLEMS = (sqlite3.Error, ValueError, TypeError, OverflowError, MemoryError)
"""What sqlite3 raises: of damage ValueError and TypeError too, for a number where a text was, or no UTF-8."""

_PRIVATE_MODE = 0o700
_OF_DAMAGE = (
    sqlite3.SQLITE_ERROR,  # a table or a column is not there
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_FORMAT,
)


class DamagedError(sqlite3.DatabaseError):
    """What the file holds is not what was put there."""


class NewerError(sqlite3.DatabaseError):
    """The file is one of a later version: that one still wants it."""


def steps_beside(module: str) -> tuple[Path, ...]:
    """Give the steps of the file that a module owns, the oldest first; `module` is its `__file__`."""
    return tuple(sorted(Path(module).with_name("sql").glob("[0-9]*.sql")))


def make_tables(connection: sqlite3.Connection, steps: Sequence[Path], done: int = 0) -> None:
    """Make the steps behind the first `done` in the transaction that is open, or one by one."""
    for number, step in enumerate(steps[done:], done + 1):
        for statement in _statements(step.read_text(encoding="utf-8")):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")


def _statements(script: str) -> Iterator[str]:
    """Cut a script at the semicolons that end a statement: not at those of comments, texts and triggers."""
    statement = ""
    for piece in script.split(";"):
        statement += f"{piece};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def migrate(connection: sqlite3.Connection, steps: Sequence[Path]) -> None:
    """
    Make the steps that a file lacks, all or none; several processes may try at once.

    Raises NewerError where it has more of them, DamagedError where that cannot be, and what sqlite3 raises.
    """
    done = _version(connection)
    if done > len(steps):
        raise NewerError("a newer keepsane wrote it")
    if done < 0:
        raise DamagedError("it has no version")
    if done == len(steps):
        return
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have done it while this one waited for the lock.
    make_tables(connection, steps, _version(connection))
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def is_damage(problem: Exception) -> bool:
    """Say whether a problem is the file's own, and no full disk, held lock, or newer version."""
    if isinstance(problem, OSError | MemoryError | NewerError):
        return False
    code = getattr(problem, "sqlite_errorcode", None)
    return code is None or code & 0xFF in _OF_DAMAGE


def make_private(directory: Path) -> None:
    """
    Make a directory that only this user can enter, or make sure that it is one.

    Raises OSError where it is a link, or another user's.
    """
    directory.mkdir(mode=_PRIVATE_MODE, parents=True, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "its folder belongs to another user")
        if stat.S_IMODE(found.st_mode) != _PRIVATE_MODE:
            os.fchmod(descriptor, _PRIVATE_MODE)
    finally:
        os.close(descriptor)


def refuse_foreign(file: Path) -> None:
    """Raise OSError where a database, or what stands beside it, is a link or not this user's."""
    for suffix in ("", *BESIDE):
        beside = Path(f"{file}{suffix}")
        try:
            found = beside.lstat()
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink > 1:
            raise PermissionError(errno.EPERM, f"{beside.name} there is a link or belongs to another user")
