# SPDX-License-Identifier: GPL-2.0-or-later
r"""
What is answered, written to the letter.

    HTTP/1.1 200 OK\r\n
    Content-Type: text/plain\r\n
    Content-Length: 27\r\n
    Connection: keep-alive\r\n
    \r\n

Every answer has its length: iPXE takes a body that was cut for a whole one where the length is missing, and
its older versions are slow without. Source: RFC 9110, sections 8.6 and 14.
"""

from __future__ import annotations

import errno
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Self

_RANGE = re.compile(r"bytes=(?:(?P<first>\d{1,15})-(?P<last>\d{0,15})|-(?P<tail>\d{1,15}))", re.ASCII)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBody:
    """Bytes of a file, from `start_byte` up to and without `end_byte`; it is opened when it is sent."""

    path: Path
    start_byte: int
    end_byte: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """
    One answer.

    `headers` are written in their order and letter for letter, between type and length. `ranges` says that a
    part may be asked for. `closes` ends the connection behind it. `sent` is called when the last byte has
    been handed to the network, with the first byte and the end of what was sent.
    """

    status: int = 200
    type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | FileBody = b""
    ranges: bool = False
    closes: bool = False
    sent: Callable[[int, int], None] | None = None

    @property
    def length_bytes(self) -> int:
        """Give the length of the body that is sent."""
        body = self.body
        return len(body) if isinstance(body, bytes) else body.end_byte - body.start_byte

    def part(self, asked: str | None) -> Self:
        """Give the part that a Range header asks for, 416 where there is none, all where it asks for none."""
        whole = self.body
        if not self.ranges or self.status != 200 or asked is None or isinstance(whole, bytes):
            return self
        found = _RANGE.fullmatch(asked.strip())
        if found is None:  # several ranges, or none that this server knows: the whole is a right answer
            return self
        start, end = _span(found, whole.size_bytes)
        if start >= end:
            return replace(
                self,
                status=416,
                body=b"",
                sent=None,
                headers=(*self.headers, ("Content-Range", f"bytes */{whole.size_bytes}")),
            )
        span = f"bytes {start}-{end - 1}/{whole.size_bytes}"
        return replace(
            self,
            status=206,
            body=replace(whole, start_byte=start, end_byte=end),
            headers=(*self.headers, ("Content-Range", span)),
        )


def _span(found: re.Match[str], size_bytes: int) -> tuple[int, int]:
    if found["tail"] is not None:
        return max(0, size_bytes - int(found["tail"])), size_bytes
    last = int(found["last"]) if found["last"] else size_bytes - 1
    return int(found["first"]), min(last + 1, size_bytes)


def whole_file(path: Path, type: str = "application/octet-stream") -> Answer:
    """Give an answer with a whole file, of which parts may be asked for. Raises OSError."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):  # to open a FIFO would wait for ever, and every client with it
        raise OSError(errno.EINVAL, "it is no file")
    size = found.st_size
    body = FileBody(path=path, start_byte=0, end_byte=size, size_bytes=size)
    return Answer(type=type, body=body, ranges=True)


def write_head(answer: Answer, *, stays: bool) -> bytes:
    """Write the head of an answer. Raises ValueError where a header would break out of its line."""
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    fields = [("Content-Type", answer.type), *answer.headers]
    if answer.ranges:
        fields.append(("Accept-Ranges", "bytes"))
    fields.append(("Content-Length", str(answer.length_bytes)))
    fields.append(("Connection", "keep-alive" if stays and not answer.closes else "close"))
    for name, value in fields:
        if _UNSAFE.search(name) or _UNSAFE.search(value):
            raise ValueError(f"the header {name!a} has letters that no header has")
        lines.append(f"{name}: {value}")
    return "\r\n".join((*lines, "", "")).encode("ascii")
