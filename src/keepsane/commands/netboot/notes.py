# SPDX-License-Identifier: GPL-2.0-or-later
"""How far make is, written into the history by a thread: a file that is locked must not slow make."""

from __future__ import annotations

import time
from contextlib import closing, suppress
from threading import Event, Thread
from types import TracebackType
from typing import Self

from keepsane.errors import HistoryError
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import History

_BETWEEN_SECONDS = 0.25
_LAST_SECONDS = 0.5


class Notes:
    """Writes the newest note of a run of make, a few times a second; those between are never written."""

    def __init__(self, number: int | None) -> None:
        """Take the run's number in the history, None where nothing is to be written."""
        self._number = number
        self._newest = ""
        self._news = Event()
        self._is_over = False
        self._thread = Thread(target=self._write, daemon=True)

    def __enter__(self) -> Self:
        """Begin to write."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; a note that is not written by then is of no use any more."""
        self._is_over = True
        self._news.set()
        self._thread.join(_LAST_SECONDS)

    def note(self, line: str) -> None:
        """Give the newest note; this takes no time."""
        if line != self._newest:
            self._newest = line
            self._news.set()

    def _write(self) -> None:
        if self._number is None:
            return
        # A screen that lags is no reason to lose a build.
        with suppress(HistoryError), closing(History(netboot_folder())) as history:
            while not self._is_over:
                self._news.wait()
                self._news.clear()
                with suppress(HistoryError):
                    history.progress(self._number, self._newest)
                if not self._is_over:
                    time.sleep(_BETWEEN_SECONDS)
