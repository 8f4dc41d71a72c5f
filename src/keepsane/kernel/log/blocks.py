# SPDX-License-Identifier: GPL-2.0-or-later
"""
The lines of a log in blocks of bytes: lines without a word of the kernel's are passed over, not cut.

    Jan 15 18:51:07 host CRON[812]: (root) CMD (...)                 only counted
    Jan 15 18:51:09 host kernel: [435222.4287] INFO: task sh:81 ...  the next line that is cut
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from keepsane.kernel.log.search import Finder, finder

BLOCK_BYTES = 1 << 20
"""Read at once; a line that is longer is none that can be passed over."""


class Passed(NamedTuple):
    """How many lines were passed over, and the last of them."""

    lines: int
    last: tuple[str, ...]


NOTHING = Passed(0, ())


@dataclass(frozen=True, slots=True)
class Searched:
    """
    Lines of a log, of which some may be passed over.

    `pass_over` takes away what comes next without a word of the kernel's, and gives the last lines of it.
    """

    lines: Iterable[str]
    pass_over: Callable[[int], Passed]

    def __iter__(self) -> Iterator[str]:
        """Give the lines that are not passed over."""
        return iter(self.lines)


def text_of(line: bytes) -> str:
    """Decode a line and take its end off; bytes that are no UTF-8 become U+FFFD, zeros before it nothing."""
    return line.decode("utf-8", "replace").lstrip("\0").strip("\r\n")


class Blocks:
    """A stream that gives lines as files do, and passes over whole lines of what was read already."""

    def __init__(self) -> None:
        """Have no stream yet: nothing is passed over."""
        self._stream: io.BufferedReader | None = None
        self._block = b""
        self._unread = io.BytesIO()
        self._find: Finder | None = None
        self._places: Iterator[int] | None = None
        self._place = 0

    def open(self, stream: io.BufferedReader) -> None:
        """Read from a stream, as much at once as it has: who writes into a pipe is heard at once."""
        self._stream = stream

    def readline(self, limit: int) -> bytes:
        """Read to the end of a line, at most `limit` bytes; nothing at the end of the stream."""
        line = self._unread.readline(limit)
        if line[-1:] == b"\n" or len(line) == limit:
            return line
        pieces = [line]
        while (limit := limit - len(pieces[-1])) and self._refill():
            pieces.append(self._unread.readline(limit))
            if pieces[-1][-1:] == b"\n":
                break
        return b"".join(pieces)

    def _refill(self) -> bool:
        self._block = self._stream.read1(BLOCK_BYTES) if self._stream else b""
        self._unread = io.BytesIO(self._block)
        self._places = None
        return bool(self._block)

    def pass_over(self, kept: int) -> Passed:
        """Pass over the whole lines before the next that may have a word; give the last `kept` of them."""
        start = self._unread.tell()
        end = self._block.rfind(b"\n", start, self._next_place(start)) + 1
        if not end:
            return NOTHING
        self._unread.seek(end)
        return Passed(self._block.count(b"\n", start, end), tuple(self._last_lines(start, end, kept)))

    def _next_place(self, start: int) -> int:
        """Find the next word; where there is none, the end of the block."""
        if start == len(self._block):
            return start
        if self._places is None:
            self._find = self._find or finder()
            self._places, self._place = self._find(self._block, start), -1
        while self._place < start:
            self._place = next(self._places, len(self._block))
        return self._place

    def _last_lines(self, start: int, end: int, count: int) -> Iterator[str]:
        begin = end - 1
        for _ in range(count):
            begin = self._block.rfind(b"\n", start, begin)
            if begin < 0:
                break
        return map(text_of, self._block[max(start, begin + 1) : end - 1].split(b"\n"))
