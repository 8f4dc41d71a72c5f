# SPDX-License-Identifier: GPL-2.0-or-later
"""
Answers kept by build-id and headers (image.py, Image.key), so that the same binary is read once.

One SQLite file below the user's cache directory (mode 0700). Several processes may use it at once. A cache
that cannot be used is said once and then done without: it never stops an explanation.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from keepsane.model import Failure

Question = Literal["lines", "name", "at", "edge"]
"""What was asked: a page of addresses' lines, a name's functions, an address's function, a stack's edges."""

_MAX_CACHE_BYTES = 512 << 20
_WAIT_SECONDS = 2.0


@dataclass(slots=True, eq=False)
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
            return _select(self.connection, build_id, question, subjects)
        except sqlite3.Error as problem:
            self._give_up(problem)
            return {}

    def keep(
        self,
        build_id: str | None,
        question: Question,
        answers: Mapping[str, str],
        join: Callable[[str, str], str] | None = None,
    ) -> None:
        """
        Keep answers for the next run.

        `join` makes one answer of the kept one and the new one; without it the new one replaces the other.
        """
        if self.connection is None or build_id is None or not answers:
            return
        try:
            with self.connection:
                # The lock first: what another process keeps meanwhile would be lost.
                self.connection.execute("BEGIN IMMEDIATE")
                kept = _select(self.connection, build_id, question, answers) if join else {}
                joined = {subject: join(kept[subject], answers[subject]) for subject in kept} if join else {}
                self.connection.executemany(
                    "INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?)",
                    [(build_id, question, *one) for one in {**answers, **joined}.items()],
                )
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
    try:
        directory = directory or _users_own()
    except RuntimeError as problem:  # a user without a home
        return Cache(None, None, [_unusable(None, problem)])
    file = directory / "symbols.sqlite"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        connection = sqlite3.connect(file, timeout=_WAIT_SECONDS)
    except (OSError, sqlite3.Error) as problem:
        return Cache(file, None, [_unusable(file, problem)])
    try:
        _migrate(connection)
        # With WAL this loses the last answers when the power fails, never the file, and waits for no disk.
        connection.execute("PRAGMA synchronous = NORMAL")
        _bound(connection)
    except sqlite3.Error as problem:
        connection.close()
        return Cache(file, None, [_unusable(file, problem)])
    return Cache(file, connection)


def _users_own() -> Path:
    # The rule of the XDG base directories by hand: importing platformdirs for it takes a tenth of a warm run.
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "keepsane"


def _select(
    connection: sqlite3.Connection, build_id: str, question: Question, subjects: Iterable[str]
) -> dict[str, str]:
    rows = connection.execute(
        "SELECT subject, answer FROM answer WHERE build_id = ? AND question = ?"
        " AND subject IN (SELECT value FROM json_each(?))",
        (build_id, question, json.dumps(list(subjects))),
    )
    return {str(subject): str(answer) for subject, answer in rows}


def _migrate(connection: sqlite3.Connection) -> None:
    migrations = sorted(Path(__file__).with_name("sql").glob("[0-9]*.sql"))
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise sqlite3.DatabaseError("a newer keepsane wrote it")
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


def _unusable(file: Path | None, problem: Exception) -> Failure:
    return Failure(
        f"use the cache {file or 'in the home directory'}",
        f"{problem}; remove the file, or go without with --no-cache",
    )
