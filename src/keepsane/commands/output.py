# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a verb writes: the file named with `-o`, else standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from keepsane.errors import InputError

if TYPE_CHECKING:
    from keepsane.render.paint import Paint


@contextmanager
def open_output(path: str | None) -> Iterator[TextIO]:
    """Open `path` for writing, None for standard output; what cannot be encoded is replaced, not fatal."""
    if path is None:
        reconfigure = getattr(sys.stdout, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")
        yield sys.stdout
        return
    try:
        file = Path(path).open("w", encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; give another file to -o") from error
    with file:
        yield file


def require_other_file(output: str | None, source: str) -> None:
    """Raise InputError where `-o` names the very file that is read, which would destroy it."""
    if output is None or source == "-" or not Path(output).exists() or not Path(source).exists():
        return
    if Path(output).samefile(source):
        raise InputError(f"-o {output} is what is read; give another file")


def paint_for(out: TextIO) -> Paint:
    """Give colour where `out` is a terminal that has it and NO_COLOR is not set."""
    # Imported here: JSON and HTML need no paint.
    from keepsane.render.paint import plain, terminal

    dull = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return terminal if out.isatty() and not dull else plain
