# SPDX-License-Identifier: GPL-2.0-or-later
"""
Answers kept for the content of a file (image.py, Image.key), so that the same binary is read once.

One SQLite file below the user's cache directory, which is the user's own, no link and of mode 0700, or is not
used. Several processes may use it at once. A cache that cannot be used is said once and then done without: it
never stops an explanation. A damaged one is thrown away; each answer has a checksum: none changes silently.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from keepsane.database import (
    BESIDE,
    PROBLEMS,
    DamagedError,
    is_damage,
    make_private,
    migrate,
    refuse_foreign,
    steps_beside,
)
from keepsane.folders import cache_folder
from keepsane.report import Failure

Question = Literal["lines", "name", "at", "edge"]
"""What was asked: a page of addresses' lines, a name's functions, an address's function, a stack's edges."""

_MAX_CACHE_BYTES = 512 << 20
_MAX_ANSWER_BYTES = 64 << 20
_WAIT_SECONDS = 2.0
_FILE = "symbols.sqlite"


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
        except PROBLEMS as problem:
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
        except PROBLEMS as problem:
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
        directory = directory or cache_folder()
    except RuntimeError as problem:  # a user without a home
        return Cache(None, None, [_unusable(None, problem)])
    file = directory / _FILE
    try:
        make_private(directory)
        refuse_foreign(file)
        return Cache(file, _connected(file))
    except (OSError, *PROBLEMS) as problem:
        return Cache(file, None, [_given_up(file, problem)])


def _connected(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=_WAIT_SECONDS)
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_ANSWER_BYTES)
        migrate(connection, steps_beside(__file__))
        # With WAL this loses the last answers when the power fails, never the file, and waits for no disk.
        connection.execute("PRAGMA synchronous = NORMAL")
        _bound(connection)
    except BaseException:
        connection.close()
        raise
    return connection


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
            raise DamagedError("an answer in it is not the one that was kept")
        found[subject] = answer
    return found


def _row(file: str, question: str, subject: str, answer: str) -> tuple[str, str, str, str, bytes]:
    said = "\0".join((file, question, subject, answer)).encode("utf-8", "surrogatepass")
    return file, question, subject, answer, hashlib.blake2b(said, digest_size=16).digest()


def _bound(connection: sqlite3.Connection) -> None:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    if pages * page_bytes > _MAX_CACHE_BYTES:
        with connection:
            connection.execute("DELETE FROM answer")
        connection.execute("VACUUM")


def _given_up(file: Path | None, problem: Exception) -> Failure:
    """Throw a damaged cache away, leave any other alone, and say so."""
    if file is None or not is_damage(problem):
        return _unusable(file, problem)
    for suffix in ("", *BESIDE):
        with suppress(OSError):
            file.with_name(f"{file.name}{suffix}").unlink(missing_ok=True)
    return Failure(
        f"use the cache {file}",
        f"it was damaged ({problem}) and is thrown away: the next run makes a new one",
    )


def _unusable(file: Path | None, problem: Exception) -> Failure:
    why = getattr(problem, "strerror", None) or problem
    return Failure(
        f"use the cache {file or 'in the home directory'}",
        f"{why}; remove the file, or go without with --no-cache",
    )
