# SPDX-License-Identifier: GPL-2.0-or-later
"""
What machines were offered, booted and are being made for, in one SQLite file that several processes use.

Each change is one transaction. `changed` tells whether anything changed since it was asked last: it costs
microseconds, so that a server may ask twenty times a second while machines wait.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from keepsane.database import (
    PROBLEMS,
    NewerError,
    is_damage,
    make_private,
    migrate,
    refuse_foreign,
    steps_beside,
)
from keepsane.errors import HistoryError

FILE = "netboot.sqlite"
_WAIT_SECONDS = 5.0
_MAX_LINE, _MAX_ERRORS = 400, 4000

_T = TypeVar("_T")
State = Literal["running", "failed", "published"]


class Making(NamedTuple):
    """A run of make for a machine."""

    number: int
    machine: str
    tree: str
    began_seconds: float
    ended_seconds: float | None
    state: State
    line: str
    errors: str


class Offer(NamedTuple):
    """A build that a machine may boot once."""

    number: int
    machine: str
    build: str
    offered_seconds: float


class Boot(NamedTuple):
    """A boot of a build: a machine took every file of it."""

    nonce: str
    machine: str
    build: str
    offer: int | None
    command_line: str
    address: str
    taken_seconds: float
    back_seconds: float | None


class History:
    """The open file. Every method raises HistoryError where it cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        """Open or make the file in a folder of this user's alone. Raises HistoryError."""
        self._path = folder / FILE
        self._version = (-1, 0)
        with self._said():
            make_private(folder)
            refuse_foreign(self._path)
            self._connection = sqlite3.connect(self._path, timeout=_WAIT_SECONDS, isolation_level=None)
            try:
                migrate(self._connection, steps_beside(__file__))
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def changed(self) -> bool:
        """Say whether another process wrote since this was asked last, or this one did."""
        (version,) = self._all(int, "PRAGMA data_version")
        before, self._version = self._version, (version, self._connection.total_changes)
        return before != self._version

    def offer(self, machine: str, build: str) -> int:
        """Offer a build to a machine, in place of what it was offered before."""
        with self._writing():
            return self._added(
                "INSERT INTO offer (machine, build, offered_seconds) VALUES (?, ?, ?)",
                (machine, build, time.time()),
            )

    def begin(self, machine: str, tree: str) -> int:
        """Note that make runs for a machine; a run before it that has not ended counts as failed."""
        now = time.time()
        with self._writing():
            self._connection.execute(
                "UPDATE making SET state = 'failed', ended_seconds = ?"
                " WHERE machine = ? AND state = 'running'",
                (now, machine),
            )
            return self._added(
                "INSERT INTO making (machine, tree, began_seconds, state) VALUES (?, ?, ?, 'running')",
                (machine, tree, now),
            )

    def progress(self, number: int, line: str) -> None:
        """Note the last line that make wrote."""
        with self._writing():
            self._connection.execute(
                "UPDATE making SET line = ? WHERE number = ? AND state = 'running'",
                (line[:_MAX_LINE], number),
            )

    def fail(self, number: int, errors: str) -> None:
        """Note that a run of make failed."""
        with self._writing():
            self._end(number, "failed", errors)

    def publish(self, number: int, build: str) -> None:
        """Note that a run of make ended well, and offer what it built to the machine it was for."""
        with self._writing():
            self._end(number, "published", "")
            self._connection.execute(
                "INSERT INTO offer (machine, build, offered_seconds)"
                " SELECT machine, ?, ended_seconds FROM making WHERE number = ?",
                (build, number),
            )

    def _end(self, number: int, state: State, errors: str) -> None:
        self._connection.execute(
            "UPDATE making SET state = ?, ended_seconds = ?, errors = ? WHERE number = ?",
            (state, time.time(), errors[:_MAX_ERRORS], number),
        )

    def booted(self, boot: Boot) -> None:
        """Note that a machine took every file of a build; the same nonce counts once."""
        with self._writing():
            self._connection.execute("INSERT OR IGNORE INTO boot VALUES (?, ?, ?, ?, ?, ?, ?, ?)", boot)

    def came_back(self, machine: str, address: str) -> bool:
        """Note that a machine asks anew from where it booted: that has ended. Say whether it was news."""
        with self._writing():
            done = self._connection.execute(
                "UPDATE boot SET back_seconds = ? WHERE machine = ? AND address = ? AND back_seconds IS NULL",
                (time.time(), machine, address),
            )
        return done.rowcount > 0

    def call_good(self, machine: str, build: str) -> None:
        """Note that a build is a machine's good one."""
        with self._writing():
            self._connection.execute(
                "INSERT OR REPLACE INTO good VALUES (?, ?, ?)", (machine, build, time.time())
            )

    def last_offer(self, machine: str) -> Offer | None:
        """Give what a machine was offered last."""
        return self._one(Offer, "SELECT * FROM offer WHERE machine = ? ORDER BY number DESC LIMIT 1", machine)

    def last_making(self, machine: str) -> Making | None:
        """Give the last run of make for a machine."""
        query = "SELECT * FROM making WHERE machine = ? ORDER BY number DESC LIMIT 1"
        return self._one(Making, query, machine)

    def was_booted(self, offer: int) -> bool:
        """Say whether an offer was taken."""
        return self._one(int, "SELECT 1 FROM boot WHERE offer = ?", offer) is not None

    def good(self, machine: str) -> str | None:
        """Give the id of a machine's good build."""
        return self._one(str, "SELECT build FROM good WHERE machine = ?", machine)

    def wanted(self) -> frozenset[str]:
        """Give the builds that must not go: each machine's good one, and the one it was offered last."""
        query = (
            "SELECT build FROM good UNION"
            " SELECT build FROM offer WHERE number IN (SELECT max(number) FROM offer GROUP BY machine)"
        )
        return frozenset(self._all(str, query))

    def boots(self, machine: str | None = None, most: int = 100) -> list[Boot]:
        """Give the last boots, of one machine or of all, the newest first."""
        query = "SELECT * FROM boot WHERE ? IS NULL OR machine = ? ORDER BY taken_seconds DESC LIMIT ?"
        return self._all(Boot, query, machine, machine, most)

    def usual_seconds(self, tree: str, most: int = 5) -> float | None:
        """Give the median time of the last runs of make in a tree that ended well."""
        query = (
            "SELECT ended_seconds - began_seconds FROM making"
            " WHERE tree = ? AND state = 'published' ORDER BY number DESC LIMIT ?"
        )
        times = sorted(self._all(float, query, tree, most))
        return times[len(times) // 2] if times else None

    def _one(self, make: Callable[..., _T], query: str, *values: Any) -> _T | None:
        return next(iter(self._all(make, query, *values)), None)

    def _all(self, make: Callable[..., _T], query: str, *values: Any) -> list[_T]:
        with self._said():
            return [make(*row) for row in self._connection.execute(query, values)]

    def _added(self, insertion: str, values: tuple[Any, ...]) -> int:
        """Insert a row and give its number."""
        return int(self._connection.execute(insertion, values).lastrowid or 0)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._said():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite may have ended it: a full disk does
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Make a sentence of what goes wrong with the file."""
        try:
            yield
        except (OSError, *PROBLEMS) as problem:
            raise HistoryError(_sentence(self._path, problem)) from problem


def _sentence(path: Path, problem: Exception) -> str:
    why = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
    if isinstance(problem, NewerError):
        return f"{path}: {why}; use that one"
    if is_damage(problem):
        return f"{path} is damaged: {why}; move it away, and what machines booted is noted anew"
    return f"cannot use {path}: {why}"
