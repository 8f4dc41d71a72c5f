# SPDX-License-Identifier: GPL-2.0-or-later
import os
from pathlib import Path

import pytest

from keepsane.listen.answer import Answer, FileBody, whole_file, write_head


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kernel"
    path.write_bytes(bytes(range(100)))
    return path


def test_the_head_is_written_to_the_letter() -> None:
    answer = Answer(body=b"#!ipxe\n", headers=(("X-Odd-CASE", "1"),))
    assert write_head(answer, stays=True) == (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX-Odd-CASE: 1\r\n"
        b"Content-Length: 7\r\nConnection: keep-alive\r\n\r\n"
    )


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "\u0100", "a\0"])
def test_a_header_never_breaks_out_of_its_line(value: str) -> None:
    with pytest.raises(ValueError, match="letters that no header has"):
        write_head(Answer(headers=(("X-Name", value),)), stays=True)


@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [
        (None, 200, 0, 100),
        ("bytes=0-0", 206, 0, 1),
        ("bytes=10-19", 206, 10, 20),
        ("bytes=90-", 206, 90, 100),
        ("bytes=90-900", 206, 90, 100),
        ("bytes=-10", 206, 90, 100),
        ("bytes=-1000", 206, 0, 100),
        ("bytes=1-2,5-6", 200, 0, 100),
        ("lines=1-2", 200, 0, 100),
        ("bytes=5-2", 416, 0, 0),
        ("bytes=100-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
    ],
)
def test_parts_are_those_of_rfc_9110(
    file: Path, asked: str | None, status: int, start: int, end: int
) -> None:
    answer = whole_file(file).part(asked)
    assert answer.status == status
    if status == 416:
        assert ("Content-Range", "bytes */100") in answer.headers and answer.length_bytes == 0
        return
    assert isinstance(answer.body, FileBody)
    assert (answer.body.start_byte, answer.body.end_byte) == (start, end)
    if status == 206:
        assert ("Content-Range", f"bytes {start}-{end - 1}/100") in answer.headers


def test_what_would_never_end_to_be_opened_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path):
        with pytest.raises(OSError, match="no file"):
            whole_file(path)
