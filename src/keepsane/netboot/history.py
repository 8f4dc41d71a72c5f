# SPDX-License-Identifier: GPL-2.0-or-later
"""
What machines were offered, booted and are being made for, in one SQLite file that several processes use.

Each change is one transaction. `changed` tells whether anything changed since it was asked last: it costs
microseconds, so that a server may ask twenty times a second while machines wait.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from keepsane.database import make_private, migrate, refuse_foreign, steps_beside

FILE = "netboot.sqlite"
_WAIT_SECONDS = 5.0
_MAX_LINE, _MAX_ERRORS = 400, 4000

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
    """The open file. Every method raises sqlite3.Error where it cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        """Open or make the file in a folder of this user's alone. Raises OSError and sqlite3.Error."""
        make_private(folder)
        refuse_foreign(folder / FILE)
        self._connection = sqlite3.connect(folder / FILE, timeout=_WAIT_SECONDS, isolation_level=None)
        migrate(self._connection, steps_beside(__file__))
        self._version = (-1, 0)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def changed(self) -> bool:
        """Say whether another process wrote since this was asked last, or this one did."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
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
        row = self._one("SELECT * FROM offer WHERE machine = ? ORDER BY number DESC LIMIT 1", machine)
        return None if row is None else Offer(*row)

    def last_making(self, machine: str) -> Making | None:
        """Give the last run of make for a machine."""
        row = self._one("SELECT * FROM making WHERE machine = ? ORDER BY number DESC LIMIT 1", machine)
        return None if row is None else Making(*row)

    def was_booted(self, offer: int) -> bool:
        """Say whether an offer was taken."""
        return self._one("SELECT 1 FROM boot WHERE offer = ?", offer) is not None

    def good(self, machine: str) -> str | None:
        """Give the id of a machine's good build."""
        row = self._one("SELECT build FROM good WHERE machine = ?", machine)
        return None if row is None else str(row[0])

    def wanted(self) -> frozenset[str]:
        """Give the builds that must not go: each machine's good one, and the one it was offered last."""
        rows = self._connection.execute(
            "SELECT build FROM good UNION"
            " SELECT build FROM offer WHERE number IN (SELECT max(number) FROM offer GROUP BY machine)"
        )
        return frozenset(str(row[0]) for row in rows)

    def boots(self, machine: str | None = None, most: int = 100) -> list[Boot]:
        """Give the last boots, of one machine or of all, the newest first."""
        rows = self._connection.execute(
            "SELECT * FROM boot WHERE ? IS NULL OR machine = ? ORDER BY taken_seconds DESC LIMIT ?",
            (machine, machine, most),
        )
        return [Boot(*row) for row in rows]

    def usual_seconds(self, tree: str, most: int = 5) -> float | None:
        """Give the median time of the last runs of make in a tree that ended well."""
        rows = self._connection.execute(
            "SELECT ended_seconds - began_seconds FROM making"
            " WHERE tree = ? AND state = 'published' ORDER BY number DESC LIMIT ?",
            (tree, most),
        )
        times = sorted(float(row[0]) for row in rows)
        return times[len(times) // 2] if times else None

    def _one(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._connection.execute(query, values).fetchone()
        return row

    def _added(self, insertion: str, values: tuple[Any, ...]) -> int:
        """Insert a row and give its number."""
        return int(self._connection.execute(insertion, values).lastrowid or 0)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
