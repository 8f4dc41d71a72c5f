# SPDX-License-Identifier: GPL-2.0-or-later
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from keepsane.database import DamagedError, NewerError, is_damage, migrate, refuse_foreign, steps_beside

FIRST = (
    "-- A comment; with a mark.\n"
    "CREATE TABLE thing (name TEXT NOT NULL) STRICT;\n"
    "INSERT INTO thing VALUES ('kept');\n"
)
SECOND = "ALTER TABLE thing ADD COLUMN size_bytes INTEGER;\n"


@pytest.fixture
def owner(tmp_path: Path) -> str:
    """A module's file, with the first step beside it."""
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "0001.sql").write_text(FIRST)
    return str(tmp_path / "owner.py")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "things.sqlite")) as connection:
        yield connection


def test_a_file_gets_the_steps_that_it_lacks(owner: str, connection: sqlite3.Connection) -> None:
    migrate(connection, steps_beside(owner))
    (Path(owner).parent / "sql" / "0002.sql").write_text(SECOND)
    migrate(connection, steps_beside(owner))
    migrate(connection, steps_beside(owner))
    assert connection.execute("SELECT * FROM thing").fetchall() == [("kept", None)]
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)


def test_a_step_that_fails_leaves_the_file_as_it_was(owner: str, connection: sqlite3.Connection) -> None:
    migrate(connection, steps_beside(owner))
    (Path(owner).parent / "sql" / "0002.sql").write_text(SECOND + "INSERT INTO nothing VALUES (1);\n")
    with pytest.raises(sqlite3.OperationalError, match="nothing"):
        migrate(connection, steps_beside(owner))
    connection.rollback()
    assert connection.execute("SELECT * FROM thing").fetchall() == [("kept",)]
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_later_version_is_left_alone_and_no_damage(owner: str, connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA user_version = 7")
    with pytest.raises(NewerError) as raised:
        migrate(connection, steps_beside(owner))
    assert not is_damage(raised.value)


def test_what_cannot_be_a_version_is_damage(owner: str, connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA user_version = -1")
    with pytest.raises(DamagedError) as raised:
        migrate(connection, steps_beside(owner))
    assert is_damage(raised.value)


def test_a_full_disk_is_no_damage_and_other_bytes_are(owner: str, tmp_path: Path) -> None:
    file = tmp_path / "other"
    file.write_bytes(b"no database, " * 100)
    with closing(sqlite3.connect(file)) as connection, pytest.raises(sqlite3.DatabaseError) as raised:
        migrate(connection, steps_beside(owner))
    assert is_damage(raised.value)
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    assert not is_damage(full)


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
def test_links_are_refused(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"store.sqlite{suffix}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="link"):
        refuse_foreign(tmp_path / "store.sqlite")
