# SPDX-License-Identifier: GPL-2.0-or-later
"""What is a log is read, whatever it went through; what is none is refused, and never `nothing found`."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from keepsane.cli import main
from keepsane.errors import InputError
from keepsane.kernel.log.input import MAX_LINE_BYTES, read_log

CRASH = (
    "[    9.000000] all is well\n"
    "[   10.000001] BUG: kernel NULL pointer dereference, address: 0000000000000080\n"
    "[   10.000002] RIP: 0010:poke+0x12/0x40\n"
)
LINES = CRASH.splitlines()
DRESSED = {
    "as it is": CRASH.encode(),
    "serial": CRASH.replace("\n", "\r\r\n").encode(),
    "carriage returns first": CRASH.replace("\n", "\n\r").encode(),
    "carriage returns only": CRASH.replace("\n", "\r").encode(),
    "zeros first": b"\0" * 5000 + CRASH.encode(),
    "many zeros first": b"\0" * 3_000_000 + CRASH.encode(),
    "zeros inside": CRASH.replace("\n", "\n" + "\0" * 9000).encode(),
    "UTF-16, little endian": b"\xff\xfe" + CRASH.encode("utf-16-le"),
    "UTF-16, big endian": b"\xfe\xff" + CRASH.replace("\n", "\r\n").encode("utf-16-be"),
    "UTF-8 with a mark": b"\xef\xbb\xbf" + CRASH.encode(),
}


def lines_of(tmp_path: Path, data: bytes) -> list[str]:
    path = tmp_path / "log"
    path.write_bytes(data)
    return list(read_log(str(path)))


@pytest.mark.parametrize("data", DRESSED.values(), ids=DRESSED.keys())
def test_a_log_is_read(tmp_path: Path, data: bytes) -> None:
    assert [line for line in lines_of(tmp_path, data) if line] == LINES


@pytest.mark.parametrize("size_bytes", [40, 1000, 5000, 20_000])
def test_random_bytes_are_not_healthy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], size_bytes: int
) -> None:
    for seed in range(10):
        path = tmp_path / "noise"
        path.write_bytes(b"n" + Random(seed).randbytes(size_bytes))
        assert main(["explain", str(path)]) == 2
        assert "binary" in capsys.readouterr().err


def test_letters_of_old_encodings_are_text(tmp_path: Path) -> None:
    assert len(lines_of(tmp_path, "[    1.000000] Grüße aus Köln\n".encode("latin-1") * 9)) == 9


def test_a_long_line_is_one_line(tmp_path: Path) -> None:
    """Line numbers are an editor's, and the rest of the line costs nothing."""
    lines = lines_of(tmp_path, b"x" * (MAX_LINE_BYTES * 2 + 7) + b"\n" + CRASH.encode())

    assert [len(line) for line in lines] == [MAX_LINE_BYTES, *map(len, LINES)]


def test_zeros_without_end_are_no_log(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(InputError, match="are zeros"):
        list(read_log(str(path)))
