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

MAX_LINE_BYTES = 65_536
"""Longer lines are cut into pieces of this size: printk itself never writes more than about 1,000 bytes."""


def _unpack_gzip(raw: BinaryIO) -> BinaryIO:
    import gzip

    return cast(BinaryIO, gzip.GzipFile(fileobj=raw))


def _unpack_xz(raw: BinaryIO) -> BinaryIO:
    import lzma

    return cast(BinaryIO, lzma.LZMAFile(raw))


def _unpack_zstd(raw: BinaryIO) -> BinaryIO:
    from keepsane.kernel.zstd import ZstdReader

    return cast(BinaryIO, io.BufferedReader(ZstdReader(raw)))


UNPACKERS = {b"\x1f\x8b": _unpack_gzip, b"\xfd7zXZ\x00": _unpack_xz, b"\x28\xb5\x2f\xfd": _unpack_zstd}


_LOOK_BYTES = 4096
_ENOUGH_BYTES = 64
_NO_LOG = {
    b"\x7fELF": "an ELF file",
    b"BZh": "packed with bzip2",
    b"\x1f\x8b": "packed twice",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


def _unpacked(raw: io.BufferedReader) -> io.BufferedReader:
    head = raw.peek(6)[:6]
    for magic, unpack in UNPACKERS.items():
        if head.startswith(magic):
            return cast(io.BufferedReader, unpack(cast(BinaryIO, raw)))
    return raw


def _require_text(stream: io.BufferedReader, path: str) -> None:
    """Refuse what is no log at all; a serial line may carry noise, but most of a log is text."""
    head = stream.peek(_LOOK_BYTES)[:_LOOK_BYTES]
    for magic, what in _NO_LOG.items():
        if head.startswith(magic):
            raise InputError(f"{path} is {what}, not a log; unpack or convert it first")
    strange = sum(byte < 9 or 13 < byte < 27 or 27 < byte < 32 for byte in head)
    if len(head) >= _ENOUGH_BYTES and strange * 10 > len(head):
        raise InputError(f"{path} is binary, not a log: {strange} of its first {len(head)} bytes are no text")


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


def split_lines(stream: BinaryIO) -> Iterator[str]:
    r"""
    Yield the lines of a byte stream without their ends (`\n`, `\r\n`, the `\r\r\n` of serial consoles).

    Bytes that are no UTF-8 become U+FFFD; nothing is dropped.
    """
    while line := stream.readline(MAX_LINE_BYTES):
        yield line.decode("utf-8", "replace").rstrip("\r\n")


def read_log(path: str) -> Iterator[str]:
    """
    Yield the lines of the log at `path`, or of standard input for `-`, unpacked as its first bytes say.

    A packed file that ends early gives the lines it still holds, then raises InputError.
    """
    with _opened(path) as raw:
        try:
            stream = _unpacked(raw)
            _require_text(stream, path)
            yield from split_lines(cast(BinaryIO, stream))
        except (OSError, EOFError, ValueError) as error:
            raise InputError(f"{path} is damaged: {error}; the lines before it were read") from error
        except Exception as error:  # lzma.LZMAError and zstandard.ZstdError, without importing either
            if type(error).__name__ not in {"LZMAError", "ZstdError", "error"}:
                raise
            raise InputError(f"{path} is damaged: {error}; the lines before it were read") from error
