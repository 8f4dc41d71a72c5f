# SPDX-License-Identifier: GPL-2.0-or-later
"""
Whether somebody answers machines, and when each asked last: what a build waits for, and a server knows.

    ~/.local/share/keepsane/netboot/serving       locked as long as a server runs
    ~/.local/share/keepsane/netboot/asked/box     its time is that of the machine's last poll
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from keepsane.database import make_private

RECENT_SECONDS = 10.0
"""A machine that waits asks every four seconds."""


@contextmanager
def serving(folder: Path) -> Iterator[None]:
    """Be known to serve; several servers may. Raises OSError."""
    make_private(folder)
    with (folder / "serving").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def note_asked(folder: Path, machine: str) -> None:
    """Note that a machine asks; that it cannot be noted stops nobody."""
    path = folder / "asked" / machine
    with suppress(OSError):
        try:
            os.utime(path)
        except FileNotFoundError:
            make_private(path.parent)
            path.touch()


def presence_words(folder: Path, machine: str) -> str:
    """Say when a machine gets what it was offered: `it waits`, or what stands in the way."""
    if not _is_served(folder):
        return "nothing answers it now: keepsane netboot serve"
    try:
        ago = time.time() - (folder / "asked" / machine).stat().st_mtime
    except OSError:
        return "it has never asked: keepsane netboot doctor"
    return "it waits" if ago < RECENT_SECONDS else f"when it asks again, which it did {_time_words(ago)} ago"


def _is_served(folder: Path) -> bool:
    try:
        with (folder / "serving").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _time_words(seconds: float) -> str:
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
