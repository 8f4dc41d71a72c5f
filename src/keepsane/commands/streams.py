# SPDX-License-Identifier: GPL-2.0-or-later
"""The three standard streams, whatever the shell made of them: closed, full, or in a locale of its own."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from keepsane.errors import OutputError


def prepare_streams() -> None:
    """
    Make both outputs UTF-8 that fails on no character, and put something in the place of a closed stream.

    Without a file at 0, 1 and 2 the next file opened would take the number, and whoever writes to standard
    error would write into it. What stands for standard output refuses to be written, so that no answer is
    lost in silence; what stands for standard input refuses to be read.
    """
    for number, mode in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        if not _is_open(number):
            os.open(os.devnull, mode)  # takes the lowest number that is free
    if sys.stdout is None:
        sys.stdout = _null(os.O_RDONLY)
    if sys.stderr is None:
        sys.stderr = _null(os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="backslashreplace")


def abandon_streams() -> None:
    """Let go of what could not be written, for Python would complain of it once more at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            _divert(stream)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _null(mode: int) -> TextIO:
    # The stream lives as long as the process.
    return open(os.open(os.devnull, mode), "w", encoding="utf-8", errors="backslashreplace")  # noqa: PTH123


def _divert(stream: TextIO) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


_WORDS = {errno.EBADF: "it is closed"}


@contextmanager
def said(name: str) -> Iterator[None]:
    """Make an OSError the sentence that `name`, or standard output where it is empty, cannot be written."""
    try:
        yield
    except OSError as error:
        if isinstance(error, BrokenPipeError) and not name:
            raise
        why = _WORDS.get(error.errno or 0, error.strerror or str(error))
        advice = f"{name}: {why}; give another file to -o" if name else f"standard output: {why}"
        raise OutputError(f"cannot write {advice}") from error
