# SPDX-License-Identifier: GPL-2.0-or-later
"""Read a log from a file or standard input: plain, gzip, xz or zstd, as a stream of lines."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from keepsane.errors import InputError
from keepsane.kernel.log.blocks import Blocks, Searched, text_of
from keepsane.unpack import unpacker
from keepsane.words import size_words

MAX_LINE_BYTES = 1 << 20
"""What a line has beyond it is passed over: printk itself never writes more than about 1,000 bytes."""
MAX_ZERO_BYTES = 64 << 20
"""A machine that crashes leaves zeros in the log it was writing; more of them are no log."""
_LOOK_BYTES = 4096
_PIECE_BYTES = 65_536
_ENOUGH_BYTES = 16
_NO_LOG = {b"\x7fELF": "an ELF file", b"BZh": "packed with bzip2"}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_UTF_8_MARK = "\ufeff"


def _unpacked(raw: io.BufferedReader, path: str) -> io.BufferedReader:
    unpack = unpacker(raw.peek(_LOOK_BYTES)[:_LOOK_BYTES])
    if unpack is None:
        return raw
    stream = cast(io.BufferedReader, unpack(cast(BinaryIO, raw)))
    if unpacker(stream.peek(_LOOK_BYTES)[:_LOOK_BYTES]) is not None:
        raise InputError(f"{path} is packed twice, not a log; unpack it first")
    return stream


def _skip_zeros(stream: io.BufferedReader, path: str) -> bytes:
    """Pass over zeros at the beginning, and give what stands behind them without taking it."""
    skipped = 0
    while (head := stream.peek(_LOOK_BYTES)[:_LOOK_BYTES]).startswith(b"\0"):
        zeros = len(head) - len(head.lstrip(b"\0"))
        skipped += len(stream.read(zeros))
        if skipped > MAX_ZERO_BYTES:
            raise InputError(f"{path} is no log: its first {size_words(MAX_ZERO_BYTES >> 10)} are zeros")
    return head


def _require_text(head: bytes, path: str) -> None:
    """Refuse what is no log at all; a serial line may carry noise, but most of a log is text."""
    for magic, what in _NO_LOG.items():
        if head.startswith(magic):
            raise InputError(f"{path} is {what}, not a log; unpack or convert it first")
    head = head.rstrip(b"\0").replace(b"\0" * 16, b"")  # from a crash in the middle of the log
    strange = sum(byte < 9 or 13 < byte < 27 or 27 < byte < 32 for byte in head)
    # Old logs are Latin-1 and the like: letters beyond ASCII alone make no file binary.
    broken = head.decode("utf-8", "replace").count("\ufffd")
    if len(head) >= _ENOUGH_BYTES and (strange * 10 > len(head) or (strange + broken) * 4 > len(head)):
        said = max(strange, strange + broken)
        raise InputError(f"{path} is binary, not a log: {said} of its first {len(head)} bytes are no text")


@contextmanager
def _opened(path: str) -> Iterator[io.BufferedReader]:
    if path == "-":
        if sys.stdin is None:
            raise InputError("standard input is closed; name a log file")
        yield cast(io.BufferedReader, sys.stdin.buffer)
        return
    try:
        file = Path(path).open("rb")
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}; give a log file, or - for standard input"
        ) from error
    with file:
        yield file


def split_lines(stream: BinaryIO | Blocks, end: bytes = b"\n") -> Iterator[str]:
    r"""
    Yield the lines of a byte stream without their ends (`\n`, `\r\n`, the `\r\r\n` of serial consoles).

    Bytes that are no UTF-8 become U+FFFD. Zeros before a line are passed over, and what it has beyond
    MAX_LINE_BYTES. `end` is what ends a line: `\r` for a log that has nothing else.
    """
    if end != b"\n":
        yield from _split_at(cast(io.BufferedReader, stream), end)
        return
    while line := stream.readline(MAX_LINE_BYTES):
        whole = line
        while (
            len(whole) == MAX_LINE_BYTES and whole[-1:] != b"\n" and (more := stream.readline(MAX_LINE_BYTES))
        ):
            line = line if line.strip(b"\0") else more
            whole = more
        yield text_of(line)


def _split_at(stream: io.BufferedReader, end: bytes) -> Iterator[str]:
    rest = b""
    while piece := stream.read1(_PIECE_BYTES):
        *lines, rest = (rest + piece).split(end)
        yield from (line[:MAX_LINE_BYTES].decode("utf-8", "replace").strip("\0\r\n") for line in lines)
        rest = rest[:MAX_LINE_BYTES]
    if rest:
        yield rest.decode("utf-8", "replace").strip("\0\r\n")


def _text_lines(stream: io.BufferedReader, path: str, blocks: Blocks) -> Iterator[str]:
    head = _skip_zeros(stream, path)
    if head.startswith(_UTF_16):
        yield from _utf_16_lines(stream)
        return
    _require_text(head, path)
    if b"\r" in head and b"\n" not in head:
        lines = split_lines(cast(BinaryIO, stream), b"\r")
    else:
        blocks.open(stream)
        lines = split_lines(blocks)
    first = next(lines, None)
    if first is not None:
        yield first.removeprefix(_UTF_8_MARK)
        yield from lines
    stream.peek(1)  # what broke a packed file off is said after its last line


def _utf_16_lines(stream: io.BufferedReader) -> Iterator[str]:
    """Read what PowerShell's `>` writes."""
    text = io.TextIOWrapper(stream, encoding="utf-16", errors="replace", newline="")
    try:
        while line := text.readline(MAX_LINE_BYTES):
            yield line.strip("\0\r\n")
    finally:
        text.detach()


def read_log(path: str) -> Searched:
    """
    Give the lines of the log at `path`, or of standard input for `-`, unpacked as its first bytes say.

    A packed file that ends early gives the lines it still holds, then raises InputError.
    """
    blocks = Blocks()
    return Searched(_lines_of(path, blocks), blocks.pass_over)


def _lines_of(path: str, blocks: Blocks) -> Iterator[str]:
    with _opened(path) as raw:
        try:
            yield from _text_lines(_unpacked(raw, path), path, blocks)
        except (OSError, EOFError, ValueError) as error:
            raise InputError(f"{path} is damaged: {error}; the lines before it were read") from error
        except MemoryError as error:
            raise InputError(f"{path} needs more memory than there is; give a part of it") from error
        except Exception as error:  # lzma.LZMAError and zstandard.ZstdError, without importing either
            if type(error).__name__ not in {"LZMAError", "ZstdError", "error"}:
                raise
            raise InputError(f"{path} is damaged: {error}; the lines before it were read") from error
