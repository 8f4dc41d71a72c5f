# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a verb writes: the file named with `-o`, else standard output."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from keepsane.commands.streams import said

if TYPE_CHECKING:
    from keepsane.render.text.paint import Paint

LEAST_COLUMNS = 40
"""In less, names and numbers have no room beside their marks."""
_STDOUT = frozenset({"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})


class Output:
    """
    A stream a verb writes to; what cannot be written is an OutputError that names it.

    A reader of standard output who has seen enough is no error: BrokenPipeError passes.
    """

    __slots__ = ("_name", "_stream")

    def __init__(self, stream: TextIO, name: str = "") -> None:
        self._stream, self._name = stream, name

    def write(self, text: str) -> None:
        """Write a text."""
        with said(self._name):
            self._stream.write(text)

    def writelines(self, parts: Iterable[str]) -> None:
        """Write texts as they come."""
        for part in parts:
            self.write(part)

    def flush(self) -> None:
        """Hand over what is still held back."""
        with said(self._name):
            self._stream.flush()

    def isatty(self) -> bool:
        """Tell whether a person is looking."""
        return self._stream.isatty()


@contextmanager
def open_output(path: str | None) -> Iterator[Output]:
    """
    Open what `-o` names, standard output for None or `-`.

    A file gets its new content when all of it was written, and only then; a device or FIFO as it comes.
    Raises OutputError where it cannot be written.
    """
    if path is None or path in _STDOUT:
        out = Output(sys.stdout)
        yield out
        out.flush()
        return
    # Imported here: most runs write to standard output.
    from keepsane.commands.output_file import open_file

    with open_file(path) as file:
        yield Output(file, path)


def require_output(path: str | None) -> None:
    """Raise OutputError at once where `-o` names what cannot be written, before anything costs time."""
    if path is not None and path not in _STDOUT:
        from keepsane.commands.output_file import target_of

        with said(path):
            target_of(path)


def paint_for(out: Output) -> Paint:
    """Give colour where `out` is a terminal that has it and NO_COLOR is not set."""
    # Imported here: JSON and HTML need no paint.
    from keepsane.render.text.paint import plain, terminal

    dull = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return terminal if out.isatty() and not dull else plain


def columns_of(out: Output) -> int:
    """Give the width to write text in: a terminal's own where it is less than that of files and pipes."""
    from keepsane.render.text.writer import WIDTH

    columns = shutil.get_terminal_size((WIDTH, 0)).columns if out.isatty() else WIDTH
    return max(LEAST_COLUMNS, min(WIDTH, columns))
