# SPDX-License-Identifier: GPL-2.0-or-later
"""
What machines were offered, booted and are being made for, in one SQLite file that several processes use.

Each change is one transaction. `changed` tells whether anything changed since it was asked last: it costs
microseconds, so that a server may ask twenty times a second while machines wait.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
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
from keepsane.netboot.boot import COLUMNS, Boot, BootFile, Outcome
from keepsane.netboot.maker import Maker, is_gone, this_process

FILE = "netboot.sqlite"
MAX_TRIES = 3
"""So often a build is given whose bytes get lost on the way."""
MAX_CANDIDATES = 64
_WAIT_SECONDS = 5.0
_MAX_LINE, _MAX_ERRORS = 400, 4000
# Which came last, offer or run of make, is told by their times: no clock that is set back may turn it.
_BEGAN_LAST = "(SELECT coalesce(max(began_seconds), 0) FROM making WHERE machine = ?)"
_BEGAN_LAST_OF_ITS = "(SELECT max(began_seconds) FROM making AS other WHERE other.machine = making.machine)"
_OFFERED_LAST = "(SELECT coalesce(max(offered_seconds), 0) + 1e-6 FROM offer WHERE machine = ?)"

_T = TypeVar("_T")
State = Literal["running", "failed", "published"]


class Making(NamedTuple):
    """A run of make for a machine; `revision` is the tree's, `1f3a9c02 usb: mend it`."""

    number: int
    machine: str
    tree: str
    began_seconds: float
    ended_seconds: float | None
    state: State
    line: str
    errors: str
    revision: str = ""
    host: str = ""
    pid: int | None = None
    pid_start_ticks: int | None = None

    @property
    def was_killed(self) -> bool:
        """Say whether it runs by its state, and the process that made it is gone."""
        return self.state == "running" and is_gone(Maker(self.host, self.pid, self.pid_start_ticks))


class Offer(NamedTuple):
    """A build that a machine may boot once."""

    number: int
    machine: str
    build: str
    offered_seconds: float


class Candidate(NamedTuple):
    """A network card that asks and is no machine's."""

    mac: str
    address: str
    first_seconds: float
    last_seconds: float


class History:
    """The open file. Every method raises HistoryError where it cannot be read or written."""

    def __init__(self, folder: Path, wait_seconds: float = _WAIT_SECONDS) -> None:
        """
        Open or make the file in a folder of this user's alone. Raises HistoryError.

        A change waits for another process's for up to `wait_seconds`; to read waits for nobody.
        """
        self._path = folder / FILE
        self._version = (-1, 0)
        with self._said():
            make_private(folder)
            refuse_foreign(self._path)
            self._connection = sqlite3.connect(self._path, timeout=_WAIT_SECONDS, isolation_level=None)
            try:
                migrate(self._connection, steps_beside(__file__))
                self._connection.execute(f"PRAGMA busy_timeout = {wait_seconds * 1000:.0f}")
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
                f"INSERT INTO offer (machine, build, offered_seconds) VALUES (?, ?, max(?, {_BEGAN_LAST}))",  # noqa: S608
                (machine, build, time.time(), machine),
            )

    def begin(self, machine: str, tree: str, revision: str = "") -> int:
        """
        Note that make runs for a machine, as long as this process is there.

        A run before it that has not ended counts as failed.
        """
        now, maker = time.time(), this_process()
        with self._writing():
            self._connection.execute(
                "UPDATE making SET state = 'failed', ended_seconds = ?"
                " WHERE machine = ? AND state = 'running'",
                (now, machine),
            )
            return self._added(
                "INSERT INTO making"  # noqa: S608
                " (machine, tree, began_seconds, state, revision, host, pid, pid_start_ticks)"
                f" VALUES (?, ?, max(?, {_OFFERED_LAST}), 'running', ?, ?, ?, ?)",
                (machine, tree, now, machine, revision[:_MAX_LINE], *maker),
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
                "INSERT INTO offer (machine, build, offered_seconds)"  # noqa: S608
                f" SELECT machine, ?, max(ended_seconds, {_BEGAN_LAST_OF_ITS}) FROM making WHERE number = ?",
                (build, number),
            )

    def _end(self, number: int, state: State, errors: str) -> None:
        self._connection.execute(
            "UPDATE making SET state = ?, ended_seconds = max(?, began_seconds), errors = ? WHERE number = ?",
            (state, time.time(), errors[:_MAX_ERRORS], number),
        )

    def booted(self, boot: Boot, files: Iterable[BootFile] = ()) -> None:
        """Note that a machine took every file of a build; the same nonce counts once."""
        names = Boot._fields[:-1]
        marks = ", ".join("?" * len(names))
        with self._writing():
            self._connection.execute(
                f"INSERT OR IGNORE INTO boot ({', '.join(names)}) VALUES ({marks})",  # noqa: S608 - our names
                boot[:-1],
            )
            self._connection.executemany(
                "INSERT OR IGNORE INTO boot_file VALUES (?, ?, ?, ?, ?)",
                ((boot.nonce, *file) for file in files),
            )

    def came_back(self, machine: str, address: str) -> bool:
        """Note that a machine asks anew from where it booted: that has ended. Say whether it was news."""
        return self._changed_boots(
            "outcome = 'back', back_seconds = ? WHERE machine = ? AND address = ? AND back_seconds IS NULL",
            (time.time(), machine, address),
        )

    def was_not_started(self, nonce: str, address: str, why: str, *, lost_bytes: bool) -> bool:
        """Note that iPXE could not start a boot, as that address says. Say whether it was news."""
        outcome: Outcome = "void" if lost_bytes else "refused"
        return self._changed_boots(
            "outcome = ?, why = ?, back_seconds = ? WHERE nonce = ? AND address = ? AND back_seconds IS NULL",
            (outcome, why[:_MAX_LINE], time.time(), nonce, address),
        )

    def is_running(self, nonce: str) -> bool:
        """Note that a console shows a boot's id. Say whether it was news."""
        return self._changed_boots(
            "outcome = 'running' WHERE nonce = ? AND outcome = 'provisional'", (nonce,)
        )

    def reached_mark(self, nonce: str) -> bool:
        """Note that a console shows the mark of a boot that works. Say whether it was news."""
        return self._changed_boots(
            "marked_seconds = ? WHERE nonce = ? AND marked_seconds IS NULL", (time.time(), nonce)
        )

    def judged(self, nonce: str, log: Path, verdict: str) -> None:
        """Note where a boot's log is, and what was made of it."""
        self._changed_boots("log = ?, verdict = ? WHERE nonce = ?", (str(log), verdict[:_MAX_LINE], nonce))

    def posted(self, nonce: str, size_bytes: int) -> bool:
        """Note that a machine sent what it had kept of a boot's log. Say whether it is the first time."""
        return self._changed_boots(
            "posted_bytes = ? WHERE nonce = ? AND posted_bytes IS NULL", (size_bytes, nonce)
        )

    def _changed_boots(self, change: str, values: tuple[Any, ...]) -> bool:
        with self._writing():
            done = self._connection.execute(f"UPDATE boot SET {change}", values)  # noqa: S608 - texts of ours
        return done.rowcount > 0

    def met(self, mac: str, address: str) -> None:
        """Note that a card asks which is no machine's; of too many the one that was silent longest goes."""
        now = time.time()
        with self._writing():
            self._connection.execute(
                "INSERT INTO candidate VALUES (?, ?, ?, ?)"
                " ON CONFLICT (mac) DO UPDATE"
                " SET address = excluded.address, last_seconds = excluded.last_seconds",
                (mac, address, now, now),
            )
            self._connection.execute(
                "DELETE FROM candidate WHERE mac NOT IN"
                " (SELECT mac FROM candidate ORDER BY last_seconds DESC LIMIT ?)",
                (MAX_CANDIDATES,),
            )

    def candidates(self) -> list[Candidate]:
        """Give the cards that are no machine's, the one that asked last first."""
        return self._all(Candidate, "SELECT * FROM candidate ORDER BY last_seconds DESC")

    def pin(self, build: str) -> None:
        """Keep a build for good."""
        with self._writing():
            self._connection.execute("INSERT OR IGNORE INTO pin VALUES (?, ?)", (build, time.time()))

    def unpin(self, build: str) -> bool:
        """Keep a build as any other. Say whether it was pinned."""
        with self._writing():
            return self._connection.execute("DELETE FROM pin WHERE build = ?", (build,)).rowcount > 0

    def pins(self) -> list[str]:
        """Give the builds that are kept for good, the last pinned first."""
        return self._all(str, "SELECT build FROM pin ORDER BY since_seconds DESC")

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

    def was_offered(self, build: str) -> bool:
        """Say whether a build was ever offered to a machine."""
        return self._one(int, "SELECT 1 FROM offer WHERE build = ? LIMIT 1", build) is not None

    def was_booted(self, offer: int) -> bool:
        """Say whether an offer was taken; where bytes got lost it is tried again, MAX_TRIES times in all."""
        taken = "SELECT 1 FROM boot WHERE offer = ? AND outcome <> 'void' UNION ALL"
        lost = " SELECT 1 FROM boot WHERE offer = ? GROUP BY offer HAVING count(*) >= ?"
        return self._one(int, taken + lost, offer, offer, MAX_TRIES) is not None

    def was_booted_for(self, machine: str, cause: str) -> bool:
        """Say whether a machine booted its good kernel for a cause; lost bytes count as for an offer."""
        taken = "SELECT 1 FROM boot WHERE machine = ? AND cause = ? AND outcome <> 'void' UNION ALL"
        lost = " SELECT 1 FROM boot WHERE machine = ? AND cause = ? GROUP BY cause HAVING count(*) >= ?"
        values = machine, cause
        return self._one(int, taken + lost, *values, *values, MAX_TRIES) is not None

    def last_of_offer(self, offer: int) -> Boot | None:
        """Give the last boot of an offer."""
        query = f"SELECT {COLUMNS} FROM boot WHERE offer = ? ORDER BY rowid DESC LIMIT 1"  # noqa: S608
        return self._one(Boot, query, offer)

    def good(self, machine: str) -> str | None:
        """Give the id of a machine's good build."""
        return self._one(str, "SELECT build FROM good WHERE machine = ?", machine)

    def goods(self) -> frozenset[tuple[str, str]]:
        """Give each machine with the id of its good build."""
        return frozenset(self._all(lambda *row: row, "SELECT machine, build FROM good"))

    def knows(self, build: str) -> bool:
        """Say whether a build of that id was ever offered or booted."""
        query = "SELECT 1 FROM boot WHERE build = ? UNION ALL SELECT 1 FROM offer WHERE build = ?"
        return self._one(int, query, build, build) is not None

    def wanted(self) -> frozenset[str]:
        """Give the builds that must not go: each machine's good one, what it was offered last, the pinned."""
        query = (
            "SELECT build FROM good UNION"
            " SELECT build FROM offer WHERE number IN (SELECT max(number) FROM offer GROUP BY machine)"
            " UNION SELECT build FROM pin"
        )
        return frozenset(self._all(str, query))

    def boots(self, machine: str | None = None, most: int = 100) -> list[Boot]:
        """Give the last boots, of one machine or of all, the newest first."""
        where = "WHERE ? IS NULL OR machine = ? ORDER BY taken_seconds DESC, rowid DESC LIMIT ?"
        return self._all(Boot, f"SELECT {COLUMNS} FROM boot {where}", machine, machine, most)  # noqa: S608

    def boot(self, number: int) -> Boot | None:
        """Give a boot by its number."""
        return self._one(Boot, f"SELECT {COLUMNS} FROM boot WHERE rowid = ?", number)  # noqa: S608

    def boot_of(self, nonce: str) -> Boot | None:
        """Give a boot by its id."""
        return self._one(Boot, f"SELECT {COLUMNS} FROM boot WHERE nonce = ?", nonce)  # noqa: S608

    def files(self, nonce: str) -> list[BootFile]:
        """Give the files of a boot in the order in which a machine took them."""
        query = "SELECT name, size_bytes, first_seconds, last_seconds FROM boot_file WHERE nonce = ?"
        return self._all(BootFile, f"{query} ORDER BY first_seconds", nonce)

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
            try:  # around BEGIN too: a signal may come right behind it
                self._connection.execute("BEGIN IMMEDIATE")
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
