# SPDX-License-Identifier: GPL-2.0-or-later
"""Changes to an input that keep its shape, so that they get behind the first test of a parser."""

from __future__ import annotations

import json
import random
import re
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import zstandard

from keepsane.symbols.binary.elf import Section, read_elf
from tests.fuzz.targets.cache import kept
from tests.fuzz.targets.ko import module

Mutator = Callable[[bytes, random.Random], bytes]
"""Makes one input of another."""

NUMBERS = (
    *(b"0", b"-1", b"1", b"00", b"4095", b"4096", b"65535", b"4294967295", b"4294967296", b"2147483648"),
    *(b"9223372036854775807", b"9223372036854775808", b"18446744073709551615", b"18446744073709551616"),
    *(
        b"1e308",
        b"nan",
        b"inf",
        b"0x",
        b"0xffffffffffffffff",
        b"1.5",
        b"",
        b"9" * 30,
        b"9" * 400,
        b"7" * 5000,
    ),
    *("\u0664\u0662".encode(), "\u00b2".encode(), b"1_000", b"+5", b"ffffffff", b"0x1e400", b"3.", b".5"),
)
SIGNS = (
    *(
        b" ",
        b"\t",
        b"\0",
        b"\r",
        b"\x1b[1m",
        b"\xff",
        b"\xc2\x9b",
        b"(",
        b")",
        b"[",
        b"]",
        b"<",
        b">",
        b"+0x",
    ),
    *(b":", b",", b"=", b"-", b"/", b"|", b"?", b"a", b"0", b"_", b"'", b'"', b"&", b"$(x)", b"; ", b".."),
    *("\u202e".encode(), "\u2028".encode(), "\ud800".encode("utf-8", "surrogatepass"), b" !", b"{", b"}"),
)
_NUMBER = re.compile(rb"0x[0-9a-f]+|\d+(?:\.\d+)?")
_WORD = re.compile(rb"[\w.]+")


def lines_mutator(pool: Sequence[bytes]) -> Mutator:
    """Change lines of text; new ones are taken from the `pool`."""

    def mutate(data: bytes, chance: random.Random) -> bytes:
        lines = data.split(b"\n")
        for _ in range(chance.choice((1, 1, 2, 3, 6))):
            at = chance.randrange(len(lines))
            chance.choice(_ON_LINES)(lines, at, pool, chance)
            lines = lines or [b""]
        return b"\n".join(lines)

    return mutate


def _number(lines: list[bytes], at: int, pool: Sequence[bytes], chance: random.Random) -> None:
    lines[at] = _replaced(_NUMBER, lines[at], chance.choice(NUMBERS), chance)


def _word(lines: list[bytes], at: int, pool: Sequence[bytes], chance: random.Random) -> None:
    words = _WORD.findall(chance.choice(pool)) or [b""]
    lines[at] = _replaced(_WORD, lines[at], chance.choice(words), chance)


def _replaced(what: re.Pattern[bytes], line: bytes, other: bytes, chance: random.Random) -> bytes:
    found = list(what.finditer(line))
    if not found:
        return line + other
    one = chance.choice(found)
    return line[: one.start()] + other + line[one.end() :]


def _insert(lines: list[bytes], at: int, pool: Sequence[bytes], chance: random.Random) -> None:
    begin = chance.randrange(len(pool))
    lines[at:at] = pool[begin : begin + chance.choice((1, 1, 3, 20))]


def _drop(lines: list[bytes], at: int, pool: Sequence[bytes], chance: random.Random) -> None:
    del lines[at : at + chance.choice((1, 1, 2, 10))]


def _again(lines: list[bytes], at: int, pool: Sequence[bytes], chance: random.Random) -> None:
    some = lines[at : at + chance.choice((1, 3, 20))]
    lines[at:at] = some * chance.choice((1, 1, 2, 50))


def _swap(lines: list[bytes], at: int, pool: Sequence[bytes], chance: random.Random) -> None:
    other = chance.randrange(len(lines))
    lines[at], lines[other] = lines[other], lines[at]


def _sign(lines: list[bytes], at: int, pool: Sequence[bytes], chance: random.Random) -> None:
    place = chance.randrange(len(lines[at]) + 1)
    lines[at] = lines[at][:place] + chance.choice(SIGNS) + lines[at][place:]


def _long(lines: list[bytes], at: int, pool: Sequence[bytes], chance: random.Random) -> None:
    begin = chance.randrange(len(lines[at]) + 1)
    piece = lines[at][begin : begin + chance.randrange(1, 12)] or chance.choice(SIGNS)
    lines[at] = lines[at][:begin] + piece * chance.choice((2, 30, 300, 1000)) + lines[at][begin:]


def _cut(lines: list[bytes], at: int, pool: Sequence[bytes], chance: random.Random) -> None:
    lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]


def _joined(lines: list[bytes], at: int, pool: Sequence[bytes], chance: random.Random) -> None:
    lines[at : at + 2] = [b"".join(lines[at : at + 2])]


_ON_LINES = (_number, _number, _word, _word, _insert, _drop, _again, _swap, _sign, _long, _cut, _joined)


def record_mutator(data: bytes, chance: random.Random) -> bytes:
    """Change what is packed into one row of a record; what is no record becomes nothing."""
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        try:
            with closing(sqlite3.connect(file.name)) as connection, connection:
                _change_row(connection, chance)
        except (sqlite3.Error, zstandard.ZstdError, UnicodeDecodeError):
            return b""
        return Path(file.name).read_bytes()


def _change_row(connection: sqlite3.Connection, chance: random.Random) -> None:
    table = chance.choice(("chunk", "sample"))
    rows = connection.execute(f"SELECT number, body FROM {table} LIMIT 20").fetchall()
    number, body = chance.choice(rows) if rows else (0, None)
    if not isinstance(body, bytes):  # a change before this one may have put anything there
        return
    unpacked = zstandard.ZstdDecompressor().decompressobj().decompress(body)
    packed = zstandard.compress(_bytes_changed(unpacked, chance), 1)
    connection.execute(f"UPDATE {table} SET body = ? WHERE number = ?", (packed, number))
    if table == "chunk" and chance.random() < 0.2:
        value = chance.choice((0.0, -1.0, 1e308, float("inf"), None, "x", b"\xff", 1_700_000_000.0))
        column = chance.choice(("began_seconds", "ended_seconds"))
        connection.execute(f"UPDATE chunk SET {column} = ?", (value,))


def _bytes_changed(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    if chance.random() < 0.5:  # a token of the JSON in it
        found = list(re.finditer(rb'-?\d+|"[^"]{0,60}"|[\[\]{},]|null', data[:20_000]))
        one = chance.choice(found) if found else None
        words = (
            b"null",
            b"[]",
            b"{}",
            b'"x"',
            b"-1",
            b"1e400",
            b"99999999999999999999",
            b"true",
            b"",
            b"[[]]",
        )
        return data if one is None else data[: one.start()] + chance.choice(words) + data[one.end() :]
    if chance.random() < 0.5:
        return data[:at] + chance.randbytes(chance.choice((1, 2, 4))) + data[at + 1 :]
    return data[:at] + data[at + chance.choice((1, 2, 8, 100)) :]


def changes_mutator(one_change: Callable[[random.Random], list[object]]) -> Mutator:
    """Add, take away or replace lines that each say one change."""

    def mutate(data: bytes, chance: random.Random) -> bytes:
        lines = data.splitlines()
        for _ in range(chance.choice((1, 1, 2, 4))):
            if lines and chance.random() < 0.4:
                del lines[chance.randrange(len(lines))]
            lines.append(json.dumps(one_change(chance)).encode())
        return b"".join(line + b"\n" for line in lines[-40:])

    return mutate


_ODD = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, 1 << 63, (1 << 64) - 1)


def _put(at: int, chance: random.Random) -> list[object]:
    width = chance.choice((1, 1, 2, 4, 8))
    value = chance.choice((*_ODD, chance.getrandbits(8 * width), chance.randrange(400_000)))
    return ["put", at - at % width, (value % (1 << 8 * width)).to_bytes(width, "little").hex()]


def module_change(path: Path) -> Callable[[random.Random], list[object]]:
    """Give a maker of changes to a module: its headers and each of its sections equally often."""
    path.write_bytes(module())
    sections = [section for section in read_elf(path).sections if section.size_bytes]
    size = len(module())

    def change(chance: random.Random) -> list[object]:
        if chance.random() < 0.02:
            return ["cut", chance.randrange(size)]
        if chance.random() < 0.3:  # the table of sections ends the file
            return _put(chance.choice((chance.randrange(64), size - 1 - chance.randrange(64 * 60))), chance)
        return _put(_within(chance.choice(sections), chance), chance)

    return change


def _within(section: Section, chance: random.Random) -> int:
    near = min(section.size_bytes, chance.choice((64, 1024, section.size_bytes)))
    return section.offset + chance.randrange(near)


ANSWERS = (
    *("", "[]", "{}", "null", "[null]", "[[]]", "1", '"x"', "[" * 3000, '{"0": []}', "[[0, []]]", "nan"),
    *('[["direct", "", [], null, null, null, null]]', "[[1, 2, 3]]", '[["", null, [[]]]]', '{"a": 1e999}'),
    *('[["f", 1, 1, true, ".text"]]', '[["f", -1, 1e999, 0, 0]]', "[[null, null, null, null, null]]"),
    *(
        '["direct", [], "", [["x"]]]',
        '[["indirect", "", [["x", 1, 2, [1]]], 1, 2, 3, 4]]',
        "\u00ff",
        "[true]",
    ),
)


def cache_change(chance: random.Random) -> list[object]:
    """Make a change to a cache: a byte anywhere, or an answer."""
    size = len(kept().cache)
    if chance.random() < 0.6:
        return _put(chance.randrange(chance.choice((100, size))), chance)
    if chance.random() < 0.05:
        return ["cut", chance.randrange(size)]
    column = chance.choice(("answer", "answer", "answer", "subject", "question", "file", "checksum"))
    return ["set", "answer", chance.randrange(8), column, chance.choice((*ANSWERS, None, 7, 0.5))]
