# SPDX-License-Identifier: GPL-2.0-or-later
"""
Answers kept by build-id, so that the same binary is read once.

One SQLite file below the user's cache directory (mode 0700). Several processes may use it at once. A cache
that cannot be used is said once and then done without: it never stops an explanation.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from keepsane.model import Failure

Question = Literal["line", "name", "at"]
"""What was asked: the lines of an address, the functions of a name, the function at an address."""

_MIGRATIONS = tuple(sorted(Path(__file__).with_name("sql").glob("[0-9]*.sql")))
_MAX_CACHE_BYTES = 512 << 20
_WAIT_SECONDS = 2.0


@dataclass(slots=True)
class Cache:
    """An open cache, or one that stands in for it and keeps nothing; `failures` says why."""

    file: Path | None = None
    connection: sqlite3.Connection | None = None
    failures: list[Failure] = field(default_factory=list)

    def recall(self, build_id: str | None, question: Question, subjects: Iterable[str]) -> dict[str, str]:
        """Give the answers kept for these subjects; what is not known has no entry."""
        if self.connection is None or build_id is None:
            return {}
        try:
            rows = self.connection.execute(
                "SELECT subject, answer FROM answer WHERE build_id = ? AND question = ?"
                " AND subject IN (SELECT value FROM json_each(?))",
                (build_id, question, json.dumps(list(subjects))),
            ).fetchall()
        except sqlite3.Error as problem:
            self._give_up(problem)
            return {}
        return {str(subject): str(answer) for subject, answer in rows}

    def keep(self, build_id: str | None, question: Question, answers: Mapping[str, str]) -> None:
        """Keep answers for the next run."""
        if self.connection is None or build_id is None or not answers:
            return
        rows = [(build_id, question, subject, answer) for subject, answer in answers.items()]
        try:
            with self.connection:
                self.connection.executemany("INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?)", rows)
        except sqlite3.Error as problem:
            self._give_up(problem)

    def close(self) -> None:
        """Close the file; nothing is kept afterwards."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _give_up(self, problem: Exception) -> None:
        self.close()
        self.failures.append(_unusable(self.file, problem))


def open_cache(directory: Path | None = None) -> Cache:
    """Open the cache in `directory`, by default the user's own; see Cache for what happens if it fails."""
    directory = directory or _users_own()
    file = directory / "symbols.sqlite"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        connection = sqlite3.connect(file, timeout=_WAIT_SECONDS)
    except (OSError, sqlite3.Error) as problem:
        return Cache(file, None, [_unusable(file, problem)])
    try:
        _migrate(connection)
        _bound(connection)
    except sqlite3.Error as problem:
        connection.close()
        return Cache(file, None, [_unusable(file, problem)])
    return Cache(file, connection)


def _users_own() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("keepsane")


def _migrate(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(_MIGRATIONS):
        raise sqlite3.DatabaseError("a newer keepsane wrote it")
    if version == len(_MIGRATIONS):
        return
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have done it while this one waited for the lock.
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for number, migration in enumerate(_MIGRATIONS[version:], version + 1):
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


def _unusable(file: Path | None, problem: Exception) -> Failure:
    return Failure(f"use the cache {file}", f"{problem}; remove the file, or go without with --no-cache")
