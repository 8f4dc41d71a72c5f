# SPDX-License-Identifier: GPL-2.0-or-later
"""
An input that is what is changed in a file that is at hand: one JSON list a line.

    ["put", 64, "ff00"]                       these bytes at this place
    ["cut", 4096]                             nothing from this place on
    ["set", "answer", 2, "answer", "[]"]      SQLite: this row of this table, its column, the new value
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

MAX_CHANGES = 200
MAX_BYTES = 8 << 20


def changes(data: bytes) -> Iterator[Sequence[Any]]:
    """Yield what the input asks for; a line that is no change is passed over."""
    for line in data.splitlines()[:MAX_CHANGES]:
        try:
            change = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(change, list) and len(change) > 1:
            yield change


def changed(content: bytes, asked: Sequence[Sequence[Any]]) -> bytes:
    """Give the file with the changes to its bytes."""
    found = bytearray(content)
    for change in asked:
        match change:
            case ["put", int(at), str(digits)] if 0 <= at < MAX_BYTES:
                found[at : at + len(digits) // 2] = _bytes(digits)
            case ["cut", int(at)] if at >= 0:
                del found[at:]
    return bytes(found[:MAX_BYTES])


def _bytes(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return b""


def set_rows(path: Path, asked: Sequence[Sequence[Any]]) -> None:
    """Change rows of an SQLite file; what it refuses is left as it is."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for change in asked:
            match change:
                case ["set", str(table), int(row), str(column), str() | int() | float() | None as value]:
                    _set(connection, table, row, column, value)


def _set(connection: sqlite3.Connection, table: str, row: int, column: str, value: object) -> None:
    if not f"{table}{column}".replace("_", "").isalnum():
        return
    try:
        chosen = connection.execute(f"SELECT * FROM {table} LIMIT 1 OFFSET ?", (row % 999,))
        names = [each[0] for each in chosen.description]
        where = " AND ".join(f"{name} IS ?" for name in names)  # the table may have no rowid
        for values in chosen.fetchall():
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value, *values))
    except (sqlite3.Error, OverflowError, UnicodeEncodeError):
        pass
