# SPDX-License-Identifier: GPL-2.0-or-later
"""Several processes at once: what each writes comes out line by line behind its name; all end together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import BinaryIO, NamedTuple

from keepsane.errors import InputError
from keepsane.render.visible import escaped

_SILENT_SECONDS = 120.0
_ENDING_SECONDS = 5.0
_MAX_LINE_BYTES = 4096


class Said(NamedTuple):
    """A line of one of those who take part; None where it ended."""

    who: str
    line: str | None


class Stage:
    """Those who take part, and what they say; `close` ends them, and what they started."""

    def __init__(self, folder: Path, show: Callable[[str], None]) -> None:
        """Take the folder that is all theirs."""
        self.folder = folder
        self._show = show
        self._lines: SimpleQueue[Said] = SimpleQueue()
        self._running: list[subprocess.Popen[bytes]] = []
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KEEPSANE_")}
        self._environment = {**kept, "KEEPSANE_HOME": str(folder / "home"), "PYTHONUNBUFFERED": "1"}

    def start(
        self, who: str, command: Sequence[str], at: Path, telling: Callable[[str], str] = str.rstrip
    ) -> None:
        """Start one of them, in its own session; `telling` gives what is shown of a line, "" for none."""
        started = subprocess.Popen(
            command,
            cwd=at,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._running.append(started)
        if started.stdout is not None:
            Thread(target=self._read, args=(who, started.stdout, telling), daemon=True).start()

    def run(self, *words: str) -> str:
        """Run a verb of keepsane to its end, and give what it writes."""
        ran = subprocess.run(
            keepsane(*words),
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return ran.stdout.decode("utf-8", "replace")

    def next(self) -> Said:
        """Give the next line, and show it. Raises InputError where all are silent for long."""
        try:
            said = self._lines.get(timeout=_SILENT_SECONDS)
        except Empty:
            raise InputError(f"the demo stands still: nothing happened for {_SILENT_SECONDS:.0f} s") from None
        if said.line is not None:
            self._show(f"{said.who:>8} | {escaped(said.line)}\n")
        return said

    def close(self) -> None:
        """End them with all they started, the last one first."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for running in reversed(self._running):
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(running.pid, number)
            end = time.monotonic() + _ENDING_SECONDS
            for running in self._running:
                with suppress(subprocess.TimeoutExpired):
                    running.wait(max(0.0, end - time.monotonic()))

    def _read(self, who: str, stream: BinaryIO, telling: Callable[[str], str]) -> None:
        shown = ""
        with stream, (self.folder / f"{who}.log").open("wb") as log:
            while raw := stream.readline(_MAX_LINE_BYTES):
                log.write(raw)
                log.flush()
                line = telling(raw.decode("utf-8", "replace"))
                if line and line != shown:
                    self._lines.put(Said(who, line))
                    shown = line
        self._lines.put(Said(who, None))


def keepsane(*words: str) -> list[str]:
    """Give the command that runs keepsane with words."""
    return [sys.executable, "-m", "keepsane.cli", *words]
