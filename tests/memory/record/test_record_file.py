# SPDX-License-Identifier: GPL-2.0-or-later
"""Which files are recorded into: a new one, or a record of ours; whatever else lies there stays as it was."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from keepsane.database import BESIDE
from keepsane.errors import InputError
from keepsane.memory.record import record as record_module
from keepsane.memory.record.record import open_record
from keepsane.memory.record.replay import read_record, read_span
from tests.memory.record.test_record import BEGAN, recorded, samples


def test_a_link_is_not_followed_where_it_leads_nowhere_or_to_a_record(tmp_path: Path) -> None:
    recorded(tmp_path / "mine", samples(3))
    before = (tmp_path / "mine").read_bytes()
    for target in ("victim", "mine"):
        (tmp_path / "r").symlink_to(tmp_path / target)
        with pytest.raises(InputError, match="is a link"):
            open_record(tmp_path / "r")
        (tmp_path / "r").unlink()
    assert not (tmp_path / "victim").exists()
    assert (tmp_path / "mine").read_bytes() == before


def test_an_empty_file_of_somebody_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "r").touch()
    (tmp_path / "r").chmod(0o644)
    with pytest.raises(InputError, match="is no record of keepsane"):
        open_record(tmp_path / "r")
    assert ((tmp_path / "r").stat().st_size, (tmp_path / "r").stat().st_mode & 0o777) == (0, 0o644)


def test_another_users_record_is_not_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(tmp_path / "r", samples(3))
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(InputError, match="belongs to another user"):
        open_record(tmp_path / "r")


@pytest.mark.parametrize("end", BESIDE)
def test_a_link_in_the_place_of_the_log_is_refused(tmp_path: Path, end: str) -> None:
    (tmp_path / f"r{end}").symlink_to(tmp_path / "victim")
    with pytest.raises(InputError, match="is a link"):
        open_record(tmp_path / "r")
    assert not (tmp_path / "victim").exists()


def test_a_file_that_takes_the_records_place_meanwhile_is_not_recorded_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(tmp_path / "r", samples(3))
    recorded(tmp_path / "theirs", [])
    before = (tmp_path / "theirs").read_bytes()

    def swapped(path: Path) -> None:
        if not (tmp_path / "old").exists():
            (tmp_path / "r").rename(tmp_path / "old")
            (tmp_path / "r").symlink_to(tmp_path / "theirs")

    monkeypatch.setattr(record_module, "require_ours_beside", swapped)
    with pytest.raises(InputError, match="was replaced"):
        open_record(tmp_path / "r")
    with closing(sqlite3.connect(tmp_path / "theirs")) as connection:
        assert connection.execute("SELECT count(*) FROM sample").fetchone() == (0,)
    assert len((tmp_path / "theirs").read_bytes()) == len(before)


def test_tables_and_triggers_that_are_not_ours_are_refused(tmp_path: Path) -> None:
    for number, said in enumerate(
        (
            "CREATE TRIGGER t AFTER INSERT ON sample BEGIN DELETE FROM chunk; END",
            "CREATE VIEW v AS SELECT 1",
            "CREATE INDEX i ON chunk (body)",
        )
    ):
        path = recorded(tmp_path / f"{number}", samples(3))
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(said)
        for refused in (open_record, read_span):
            with pytest.raises(InputError, match="is no record of keepsane"):
                refused(path)


def test_a_copy_without_its_log_says_which_file_is_missing(tmp_path: Path) -> None:
    with closing(open_record(tmp_path / "r")) as recorder:
        for snapshot in samples(30):
            recorder.add(snapshot)
        shutil.copy(tmp_path / "r", tmp_path / "copy")
    with pytest.raises(
        InputError, match="copy-wal is missing beside copy: it was copied while it was recorded"
    ):
        read_record(tmp_path / "copy")


def test_a_copy_without_its_log_lacks_a_minute_at_the_most_and_says_so(tmp_path: Path) -> None:
    with closing(open_record(tmp_path / "r")) as recorder:
        for snapshot in samples(200):
            recorder.add(snapshot)
        shutil.copy(tmp_path / "r", tmp_path / "copy")

    assert read_span(tmp_path / "copy").ended_seconds >= BEGAN + 199 - record_module.CHECKPOINT_SAMPLES
    assert "copy-wal is missing" in read_record(tmp_path / "copy")[-1].damage
    assert read_record(tmp_path / "r")[-1].damage == ""
