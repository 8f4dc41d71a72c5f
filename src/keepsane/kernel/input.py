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
    import zstandard

    reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
    return cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, reader)))


UNPACKERS = {b"\x1f\x8b": _unpack_gzip, b"\xfd7zXZ\x00": _unpack_xz, b"\x28\xb5\x2f\xfd": _unpack_zstd}


def _unpacked(raw: io.BufferedReader) -> BinaryIO:
    head = raw.peek(6)[:6]
    for magic, unpack in UNPACKERS.items():
        if head.startswith(magic):
            return unpack(cast(BinaryIO, raw))
    return cast(BinaryIO, raw)


@contextmanager
def _opened(path: str) -> Iterator[io.BufferedReader]:
    if path == "-":
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
            yield from split_lines(_unpacked(raw))
        except (OSError, EOFError, ValueError) as error:
            raise InputError(f"{path} is damaged: {error}; the lines before it were read") from error
        except Exception as error:  # lzma.LZMAError and zstandard.ZstdError, without importing either
            if type(error).__name__ not in {"LZMAError", "ZstdError", "error"}:
                raise
            raise InputError(f"{path} is damaged: {error}; the lines before it were read") from error
