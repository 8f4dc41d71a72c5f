# SPDX-License-Identifier: GPL-2.0-or-later
"""
Answers kept for the content of a file (image.py, Image.key), so that the same binary is read once.

One SQLite file below the user's cache directory, which is the user's own, no link and of mode 0700, or is not
used. Several processes may use it at once. A cache that cannot be used is said once and then done without: it
never stops an explanation. A damaged one is thrown away; each answer has a checksum: none changes silently.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sqlite3
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from keepsane.report import Failure

Question = Literal["lines", "name", "at", "edge"]
"""What was asked: a page of addresses' lines, a name's functions, an address's function, a stack's edges."""

_MAX_CACHE_BYTES = 512 << 20
_MAX_ANSWER_BYTES = 64 << 20
_WAIT_SECONDS = 2.0
_PRIVATE_MODE = 0o700
_FILE = "symbols.sqlite"
_SUFFIXES = ("", "-wal", "-shm", "-journal")


class _DamagedError(sqlite3.DatabaseError):
    """What the cache holds is not what was put there."""


class _NewerError(sqlite3.DatabaseError):
    """The cache is one of a later version: that one still wants it."""


# Of damage sqlite3 makes TypeError and ValueError too: a number where a text was, a message that is no UTF-8.
_PROBLEMS = (sqlite3.Error, ValueError, TypeError, OverflowError, MemoryError)
_OF_DAMAGE = (
    sqlite3.SQLITE_ERROR,  # a table or a column is not there
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_FORMAT,
)


@dataclass(slots=True, eq=False)
class Cache:
    """An open cache, or one that stands in for it and keeps nothing; `failures` says why."""

    file: Path | None = None
    connection: sqlite3.Connection | None = None
    failures: list[Failure] = field(default_factory=list)

    def recall(self, file: str | None, question: Question, subjects: Iterable[str]) -> dict[str, str]:
        """Give the answers kept for these subjects; what is not known has no entry."""
        if self.connection is None or file is None:
            return {}
        try:
            return _select(self.connection, file, question, subjects)
        except _PROBLEMS as problem:
            self._give_up(problem)
            return {}

    def keep(
        self,
        file: str | None,
        question: Question,
        answers: Mapping[str, str],
        join: Callable[[str, str], str] | None = None,
    ) -> None:
        """
        Keep answers for the next run.

        `join` makes one answer of the kept one and the new one; without it the new one replaces the other.
        """
        if self.connection is None or file is None or not answers:
            return
        try:
            with self.connection:
                # The lock first: what another process keeps meanwhile would be lost.
                self.connection.execute("BEGIN IMMEDIATE")
                kept = _select(self.connection, file, question, answers) if join else {}
                joined = {subject: join(kept[subject], answers[subject]) for subject in kept} if join else {}
                self.connection.executemany(
                    "INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?)",
                    [_row(file, question, *answer) for answer in {**answers, **joined}.items()],
                )
        except _PROBLEMS as problem:
            self._give_up(problem)

    def close(self) -> None:
        """Close the file; nothing is kept afterwards."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _give_up(self, problem: Exception) -> None:
        self.close()
        self.failures.append(_given_up(self.file, problem))


def open_cache(directory: Path | None = None) -> Cache:
    """Open the cache in `directory`, by default the user's own; see Cache for what happens if it fails."""
    try:
        directory = directory or _users_own()
    except RuntimeError as problem:  # a user without a home
        return Cache(None, None, [_unusable(None, problem)])
    file = directory / _FILE
    try:
        make_private(directory)
        _refuse_foreign(directory)
        return Cache(file, _connected(file))
    except (OSError, *_PROBLEMS) as problem:
        return Cache(file, None, [_given_up(file, problem)])


def _connected(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=_WAIT_SECONDS)
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_ANSWER_BYTES)
        _migrate(connection)
        # With WAL this loses the last answers when the power fails, never the file, and waits for no disk.
        connection.execute("PRAGMA synchronous = NORMAL")
        _bound(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def make_private(directory: Path) -> None:
    """
    Make a directory that only this user can enter, or make sure that it is one.

    Raises OSError where it is a link, or another user's.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "its folder belongs to another user")
        if stat.S_IMODE(found.st_mode) != _PRIVATE_MODE:
            os.fchmod(descriptor, _PRIVATE_MODE)
    finally:
        os.close(descriptor)


def _refuse_foreign(directory: Path) -> None:
    """Raise OSError where a file of the cache is a link, or not this user's: it may be an old one."""
    for suffix in _SUFFIXES:
        try:
            found = (directory / f"{_FILE}{suffix}").lstat()
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink > 1:
            raise PermissionError(errno.EPERM, f"{_FILE}{suffix} there is a link or belongs to another user")


def _users_own() -> Path:
    # The rule of the XDG base directories by hand: importing platformdirs for it takes a tenth of a warm run.
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "keepsane"


def _select(
    connection: sqlite3.Connection, file: str, question: Question, subjects: Iterable[str]
) -> dict[str, str]:
    rows = connection.execute(
        "SELECT subject, answer, checksum FROM answer WHERE file = ? AND question = ?"
        " AND subject IN (SELECT value FROM json_each(?))",
        (file, question, json.dumps(list(subjects))),
    )
    found = {}
    for subject, answer, checksum in rows:
        if checksum != _row(file, question, subject, answer)[-1]:
            raise _DamagedError("an answer in it is not the one that was kept")
        found[subject] = answer
    return found


def _row(file: str, question: str, subject: str, answer: str) -> tuple[str, str, str, str, bytes]:
    said = "\0".join((file, question, subject, answer)).encode("utf-8", "surrogatepass")
    return file, question, subject, answer, hashlib.blake2b(said, digest_size=16).digest()


def _migrate(connection: sqlite3.Connection) -> None:
    migrations = sorted(Path(__file__).with_name("sql").glob("[0-9]*.sql"))
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise _NewerError("a newer keepsane wrote it")
    if version < 0:
        raise _DamagedError("it has no version")
    if version == len(migrations):
        return
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have done it while this one waited for the lock.
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for number, migration in enumerate(migrations[version:], version + 1):
        for statement in migration.read_text(encoding="utf-8").split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
    connection.execute("COMMIT")


def _bound(connection: sqlite3.Connection) -> None:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    if pages * page_bytes > _MAX_CACHE_BYTES:
        with connection:
            connection.execute("DELETE FROM answer")
        connection.execute("VACUUM")


def _given_up(file: Path | None, problem: Exception) -> Failure:
    """Throw a damaged cache away, leave any other alone, and say so."""
    if file is None or not _is_damaged(problem):
        return _unusable(file, problem)
    for suffix in _SUFFIXES:
        with suppress(OSError):
            file.with_name(f"{file.name}{suffix}").unlink(missing_ok=True)
    return Failure(
        f"use the cache {file}",
        f"it was damaged ({problem}) and is thrown away: the next run makes a new one",
    )


def _is_damaged(problem: Exception) -> bool:
    if isinstance(problem, OSError | MemoryError | _NewerError):
        return False
    code = getattr(problem, "sqlite_errorcode", None)
    return code is None or code & 0xFF in _OF_DAMAGE


def _unusable(file: Path | None, problem: Exception) -> Failure:
    why = getattr(problem, "strerror", None) or problem
    return Failure(
        f"use the cache {file or 'in the home directory'}",
        f"{why}; remove the file, or go without with --no-cache",
    )
