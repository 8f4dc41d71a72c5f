# SPDX-License-Identifier: GPL-2.0-or-later
"""
What /proc and /sys said at one moment: text by path, and what could not be read.

Live sampling, captures and sosreports all end here; nothing behind it knows where the text came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Reason = Literal["absent", "not permitted", "too slow", "too large", "unreadable"]
"""Why a file is missing. "too slow": it was read, and took so long that it is now read less often."""

TIME = "time"
"""A path in a snapshot that no file has: the time of day, in seconds since 1970."""

DMESG = "dmesg"
"""Another: the kernel log, for which there is a system call and no file that ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A file that is not there, or not as often as planned; `path` has no leading slash."""

    path: str
    reason: Reason
    milliseconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """
    One sample, unparsed.

    `files` has the text of each file that was read, by its path without the leading slash
    ("proc/vmstat"). A path that is neither there nor in `missing` was not due, or nobody asked for it.
    `damage` says in words what is wrong with the capture it comes from, "" where nothing is.
    """

    files: Mapping[str, str]
    missing: tuple[Missing, ...] = ()
    damage: str = ""

    def text(self, path: str) -> str | None:
        """What the file at `path` said, None where it was not read."""
        return self.files.get(path)

    def line(self, path: str) -> str | None:
        """The file's text without white space around it, None where that leaves nothing."""
        return self.files.get(path, "").strip() or None

    def below(self, folder: str) -> Iterator[tuple[str, str]]:
        """The files under `folder`, in order: the rest of the path, and the text."""
        start = folder + "/"
        for path in sorted(self.files):
            if path.startswith(start):
                yield path[len(start) :], self.files[path]
