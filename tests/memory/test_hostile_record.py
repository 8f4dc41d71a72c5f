# SPDX-License-Identifier: GPL-2.0-or-later
"""A record that somebody sends: whatever stands in its cells, it is read or refused in one sentence."""

from __future__ import annotations

import copy
import json
import os
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import zstandard

from keepsane.errors import InputError
from keepsane.memory.record.record import open_record
from keepsane.memory.record.replay import read_record, read_span
from keepsane.memory.record.series import read_curves
from keepsane.memory.state import state_of
from tests.memory.record.test_record import recorded, samples

VALUES = (None, 0, -1, 1 << 62, 1.5, -1e308, float("inf"), "", "text", "9" * 400, b"", b"\0" * 100)
OTHERS: tuple[Any, ...] = (None, True, -5, 10**30, 1e308, "", "\0", "x", [], [1], {}, {"a": 1}, [[[]]])
READS: tuple[Callable[[Path], object], ...] = (
    read_span,
    read_curves,
    lambda path: state_of(read_record(path)),
)
CELLS = (
    ("chunk", "number"),
    ("chunk", "began_seconds"),
    ("chunk", "ended_seconds"),
    ("chunk", "body"),
    ("sample", "number"),
    ("sample", "body"),
)


def made(path: Path) -> Path:
    """A record with a chunk, and with samples beside it, as a crash leaves them."""
    recorded(path, samples(20))
    recorder = open_record(path)
    for snapshot in samples(5):
        recorder.add(snapshot)
    recorder.connection.close()
    os.close(recorder.lock)
    return path


def put(path: Path, table: str, column: str, value: object) -> None:
    """Write a cell, whatever the table's definition has against it."""
    changes = ("replace(replace(sql, ' STRICT', ''), ' NOT NULL', '')", ":sql")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        sql = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0]
    for change in changes:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA writable_schema = ON")
            said = f"UPDATE sqlite_schema SET sql = {change} WHERE name = :name AND :sql != ''"
            if change != ":sql":
                connection.execute(said, {"name": table, "sql": sql})
                continue
            with suppress(sqlite3.Error):  # a key must be a number, and only one may have it
                connection.execute(f"UPDATE {table} SET {column} = ?", (value,))
            connection.execute(said, {"name": table, "sql": sql})


def read_all(path: Path) -> None:
    """Read it in every way; an InputError is an answer."""
    for read in READS:
        with suppress(InputError):
            read(path)
    with suppress(InputError):
        open_record(path).close()


@pytest.mark.parametrize(("table", "column"), CELLS, ids=".".join)
def test_any_value_of_any_type_in_any_column(tmp_path: Path, table: str, column: str) -> None:
    for number, value in enumerate(VALUES):
        path = made(tmp_path / f"{number}")
        put(path, table, column, value)
        read_all(path)


def spoilt(whole: Any) -> Iterator[Any]:
    """Give the structure again and again, each time with something else in one place of it."""
    for place in places(whole):
        for other in OTHERS:
            changed = copy.deepcopy(whole)
            inner = changed
            for step in place[:-1]:
                inner = inner[step]
            inner[place[-1]] = other
            yield changed


def places(whole: Any) -> Iterator[tuple[Any, ...]]:
    keys = range(len(whole)) if isinstance(whole, list) else whole if isinstance(whole, dict) else ()
    for key in keys:
        yield (key,)
        yield from ((key, *below) for below in places(whole[key]))


def bodies() -> Iterator[tuple[str, bytes]]:
    """Give the bodies of a small record with every part of their JSON replaced in turn."""
    files = {"time": "1700000000.00\n", "proc/vmstat": "a 007\nb 1\n"}
    for changed in spoilt([files, [["proc/slabinfo", "absent", None]], ""]):
        yield "sample", json.dumps(changed).encode()
    head = [[[["x", "absent", 1]], []], ["", ""], [["time", [["170000000\0.00\n", [1], "b"]]]]]
    for changed in spoilt(head):
        said = json.dumps(changed).encode()
        yield "chunk", struct.pack("<I", len(said)) + said + struct.pack("<2H", 1, 1) + b"\1"


def test_any_part_of_what_is_packed_may_be_something_else(tmp_path: Path) -> None:
    path = made(tmp_path / "r")
    for number, (table, body) in enumerate(bodies()):
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(f"UPDATE {table} SET body = ?", (zstandard.compress(body),))
        for read in READS:
            with suppress(InputError):
                read(path)
        if number % 50 == 0:
            path.unlink()
            made(path)


def head(text: bytes) -> bytes:
    return struct.pack("<I", len(text)) + text


MEASURED = """
import sys
from pathlib import Path
from keepsane.cli import main
code = main(sys.argv[1:])
# Not getrusage(): its maximum begins with what the process that started this one had.
most = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
sys.stderr.write(f"most: {most}")
sys.exit(code)
"""
BOMBS: dict[str, Callable[[], bytes]] = {
    "zeros": lambda: bytes(1 << 30),
    "lists": lambda: b"[" + b"[]," * 20_000_000 + b"[]]",
    "objects": lambda: head(b"[[],[],[" + b"{}," * 15_000_000 + b"{}]]"),
    "numbers": lambda: head(b"[[],[],[" + b"1," * 30_000_000 + b"1]]"),
    "depth": lambda: head(b"[" * 60_000_000),
    "wide letters": lambda: head(b'["' + b"x" * 60_000_000 + b'\\ud83d\\ude00"]'),
    "one skeleton for all": lambda: (
        head(
            json.dumps(
                [[[]] * 4096, [""] * 4096, [["x", [["\0" * 50_000, [1 << 60] * 50_000, "-" * 50_000]]]]]
            ).encode()
        )
        + b"\1\0" * 4096
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_one_sentence_and_takes_no_memory(tmp_path: Path, name: str) -> None:
    path = made(tmp_path / "r")
    body = zstandard.compress(BOMBS[name]())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE chunk SET body = ?", (body,))
        connection.execute("DELETE FROM sample")
    run = subprocess.run(
        [sys.executable, "-c", MEASURED, "memory", str(path)], capture_output=True, text=True
    )
    said, _, most_kibibytes = run.stderr.rpartition("most: ")

    assert (run.returncode, run.stdout, said.count("\n")) == (2, "", 1)
    assert "is damaged" in said
    assert int(most_kibibytes) < 500 << 10
