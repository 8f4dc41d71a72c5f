# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.errors import InputError
from keepsane.memory.capture.sample import read_sample
from keepsane.memory.proc.machine import BOOT_ID
from keepsane.memory.record import record as record_module
from keepsane.memory.record.record import is_sharp, open_record, record
from keepsane.memory.record.replay import read_chunks, read_record, read_span
from keepsane.memory.snapshot import TIME, Snapshot

BEGAN = 1_700_000_000


def sample(second: int, *, boot: str = "a", whole: bool = False, **counters: int) -> Snapshot:
    """A sample of a made-up machine `second` seconds after BEGAN, and 100 s more after its boot."""
    files = {
        TIME: f"{BEGAN + second}.00\n",
        "proc/uptime": f"{100 + second}.00 50.00\n",
        "proc/vmstat": "".join(f"{name} {number}\n" for name, number in counters.items()),
    }
    if second % 10 == 0:
        files["proc/meminfo"] = f"MemFree: {900000 - second} kB\n"
    if whole:
        files |= {
            BOOT_ID: f"{boot}\n",
            "proc/sys/vm/swappiness": "60\n",
            "proc/slabinfo": "slabinfo - version: 2.1\n",
        }
    return Snapshot(files=files)


def samples(count: int) -> list[Snapshot]:
    return [sample(second, whole=second == 0, pgscan_direct=second * 3) for second in range(count)]


def recorded(path: Path, snapshots: list[Snapshot], keep_seconds: float = 1e6) -> Path:
    with closing(open_record(path, keep_seconds=keep_seconds)) as recorder:
        for snapshot in snapshots:
            recorder.add(snapshot)
    return path


def test_the_samples_of_a_minute_come_back_as_they_were(tmp_path: Path) -> None:
    written = samples(200)
    read = read_record(recorded(tmp_path / "r", written), around=BEGAN + 100, seconds=60)
    # 30 s to each side: 70 to 130, which have meminfo. Nothing is added to those in between.
    assert read[1:-1] == tuple(written[71:130])
    assert [read[at].files["proc/vmstat"] for at in (0, -1)] == ["pgscan_direct 210\n", "pgscan_direct 390\n"]


def test_the_interval_reaches_to_the_samples_that_have_the_slow_files(tmp_path: Path) -> None:
    read = read_record(recorded(tmp_path / "r", samples(200)), around=BEGAN + 100, seconds=14)
    assert [read[at].line(TIME) for at in (0, -1)] == [f"{BEGAN + 90}.00", f"{BEGAN + 110}.00"]


def test_settings_are_carried_on_and_what_moves_is_not(tmp_path: Path) -> None:
    read = read_record(recorded(tmp_path / "r", samples(200)), around=BEGAN + 100, seconds=60)
    for end in (read[0], read[-1]):
        assert end.line("proc/sys/vm/swappiness") == "60" and end.line(BOOT_ID) == "a"
        assert end.text("proc/slabinfo") is None


def test_a_setting_that_changes_later_is_not_told_before(tmp_path: Path) -> None:
    written = samples(100)
    written[50] = Snapshot(files={**written[50].files, "proc/sys/vm/swappiness": "1\n"})
    path = recorded(tmp_path / "r", written)
    read = read_record(path, around=BEGAN + 50, seconds=40)
    assert [read[at].line("proc/sys/vm/swappiness") for at in (0, -1)] == ["60", "1"]


def test_the_last_minute_is_what_is_read_where_no_time_is_given(tmp_path: Path) -> None:
    read = read_record(recorded(tmp_path / "r", samples(200)), seconds=30)
    assert read[-1].line(TIME) == f"{BEGAN + 199}.00" and read[0].line(TIME) == f"{BEGAN + 160}.00"


def test_samples_are_there_before_the_record_is_closed_and_after_a_crash(tmp_path: Path) -> None:
    recorder = open_record(tmp_path / "r")
    for snapshot in samples(20):
        recorder.add(snapshot)
    assert len(read_record(tmp_path / "r", around=BEGAN + 10, seconds=100)) == 20
    recorder.connection.close()  # what a crash leaves: nothing was packed together
    os.close(recorder.lock)
    more = [sample(second, whole=second == 30, pgscan_direct=90) for second in range(30, 41)]
    assert len(read_record(recorded(tmp_path / "r", more), around=BEGAN + 20, seconds=100)) == 31


def test_a_record_longer_than_a_chunk_is_read_over_its_seams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_module, "SAMPLES_IN_CHUNK", 16)
    written = samples(100)
    path = recorded(tmp_path / "r", written)
    assert len(list(read_chunks(path))) == 7  # 100 / 16, and the rest
    assert read_record(path, around=BEGAN + 50, seconds=40)[1:-1] == tuple(written[31:70])


def test_a_restart_begins_a_chunk_so_that_no_setting_is_carried_over_it(tmp_path: Path) -> None:
    before = [sample(second, whole=second == 0) for second in range(1000, 1020)]
    after = [
        Snapshot(
            files={**sample(second, boot="b", whole=second == 0).files, TIME: f"{BEGAN + 1030 + second}.00\n"}
        )
        for second in range(20)
    ]
    before[0] = sample(1000, whole=True)
    read = read_record(recorded(tmp_path / "r", before + after), around=BEGAN + 1025, seconds=60)
    assert (read[0].line(BOOT_ID), read[-1].line(BOOT_ID)) == ("a", "b")


def test_what_is_older_than_asked_for_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "SAMPLES_IN_CHUNK", 10)
    span = read_span(recorded(tmp_path / "r", samples(100), keep_seconds=30))
    # Chunks end at 9, 19, ..., 99; those before 99 - 30 go, so the one of 60 to 69 stays.
    assert span == (BEGAN + 60, BEGAN + 99)


def test_a_record_that_grows_too_large_loses_its_oldest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_module, "SAMPLES_IN_CHUNK", 10)
    monkeypatch.setattr(record_module, "MAX_RECORD_BYTES", 1000)
    path = recorded(tmp_path / "r", samples(200))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT sum(length(body)) <= 1000 FROM chunk").fetchone() == (1,)
    assert read_span(path).ended_seconds == BEGAN + 199


def test_a_closed_record_is_one_file_also_after_it_was_read(tmp_path: Path) -> None:
    read_record(recorded(tmp_path / "r", samples(3)))
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_only_its_owner_may_read_a_record(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r", samples(3))
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + bytes(200)])
def test_a_foreign_file_is_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is no record of keepsane"):
        read_record(path)


def test_a_foreign_file_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(b"precious")
    path.chmod(0o644)
    with pytest.raises(InputError, match="is no record"):
        open_record(path)
    assert path.read_bytes() == b"precious" and path.stat().st_mode & 0o777 == 0o644


def test_nobody_else_records_into_the_same_file(tmp_path: Path) -> None:
    with closing(open_record(tmp_path / "r")), pytest.raises(InputError, match="another process records"):
        open_record(tmp_path / "r")
    open_record(tmp_path / "r").close()


def test_a_pipe_is_no_record(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for refused in (open_record, read_span):
        with pytest.raises(InputError, match="is no regular file"):
            refused(tmp_path / "pipe")


def test_another_database_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other")) as connection:
        connection.execute("CREATE TABLE chunk (number)")
    with pytest.raises(InputError, match="is no record"):
        read_span(tmp_path / "other")


def test_a_newer_record_is_refused(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r", samples(3))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with pytest.raises(InputError, match="version 99"):
        read_record(path)


def test_a_record_without_samples_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no samples yet"):
        read_record(recorded(tmp_path / "r", []))


def test_a_time_outside_of_the_record_is_answered_with_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no sample from .* it has .* to "):
        read_record(recorded(tmp_path / "r", samples(10)), around=BEGAN + 5000)


@given(st.integers(0, 3), st.integers(0), st.binary(min_size=1, max_size=64))
def test_any_damage_is_told_and_no_traceback(
    tmp_path_factory: pytest.TempPathFactory, part: int, at: int, junk: bytes
) -> None:
    path = recorded(tmp_path_factory.mktemp("damaged") / "r", samples(30))
    content = bytearray(path.read_bytes())
    at %= len(content)
    content[at : at + len(junk)] = junk
    path.write_bytes(content[: len(content) - part * 1000])
    said = ""
    try:
        read_record(path)
    except InputError as error:
        said = str(error)
    assert said == "" or str(path) in said


def test_sampling_is_sharp_where_tasks_waited_a_tenth_of_the_second() -> None:
    def pressed(second: int, total: int) -> Snapshot:
        line = f"some avg10=0.00 avg60=0.00 avg300=0.00 total={total}\n"
        return Snapshot(files={**sample(second).files, "proc/pressure/memory": line})

    assert is_sharp(pressed(0, 0), pressed(1, 100_000))
    assert not is_sharp(pressed(0, 0), pressed(1, 99_000))


def test_sampling_is_sharp_where_a_thousand_pages_were_scanned_directly() -> None:
    assert is_sharp(sample(0, pgscan_direct_normal=5), sample(1, pgscan_direct_normal=1005))
    assert not is_sharp(sample(0, pgscan_direct_normal=5), sample(1, pgscan_direct_normal=1004))


def test_everything_is_wanted_where_a_chunk_begins_and_after_a_change_but_not_too_often(
    tmp_path: Path,
) -> None:
    with closing(open_record(tmp_path / "r")) as recorder:
        wanted = []
        for second in range(700):
            whole = second == 0 or recorder.wants_whole()
            wanted += [second] if whole else []
            scanned = 5000 * max(0, min(second, 230) - 200)  # from 200 to 230 s it scans 5,000 pages a second
            recorder.add(sample(second, whole=whole, pgscan_direct=scanned))
    # The first, the one after the first second of scanning (60 s must pass to the next), and a new chunk.
    assert wanted == [0, 202, 600]


def test_large_samples_make_shorter_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "PENDING_BYTES", 500)
    chunks = list(read_chunks(recorded(tmp_path / "r", samples(100))))
    assert len(chunks) > 5 and sum(map(len, chunks)) == 100


def test_this_machine_is_recorded_and_read_again(tmp_path: Path) -> None:
    assert record(tmp_path / "r", seconds=1) == 2
    read = read_record(tmp_path / "r")
    assert set(read_sample().files) - {"dmesg"} <= set(read[0].files)
