# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a program of somebody else's: without a shell, with a limit, its last line said where it fails."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from keepsane.errors import InputError

_TAIL_BYTES = 4096
_MAX_LINE = 300


def run_limited(
    words: Sequence[str], seconds: float, *, folder: Path, environment: Mapping[str, str] | None = None
) -> None:
    """
    Run a command in a folder until it ends, or ends it and all it started after `seconds`.

    What it writes goes to a file, so that nobody whom it left running is waited for. Raises InputError where
    it cannot be run, fails, or takes longer, with the last line of what it wrote.
    """
    with tempfile.TemporaryFile() as said:
        try:
            ran = subprocess.Popen(
                words,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:  # ValueError: a NUL in a word
            raise InputError(f"cannot run {words[0]}: {getattr(error, 'strerror', None) or error}") from error
        try:
            code = ran.wait(seconds)
        except subprocess.TimeoutExpired:
            raise InputError(f"{_short(words)} did not end within {seconds:g} s{last_line(said)}") from None
        finally:
            _end_group(ran)
        if code:
            raise InputError(f"{_short(words)} ended with {code}{last_line(said)}")


def _end_group(ran: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(ran.pid, signal.SIGKILL)
    ran.wait()


def _short(words: Sequence[str]) -> str:
    return shlex.join(words[:2] if words[0] == "make" else words[:1])


def last_line(said: BinaryIO) -> str:
    """Give the last line that says something; make's own say only that it gives up."""
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - _TAIL_BYTES))
    lines = [line.strip() for line in said.read(_TAIL_BYTES).decode("utf-8", "replace").splitlines()]
    told = [line for line in lines if line]
    own = [line for line in told if not line.startswith("make")] or told
    return f": {own[-1][:_MAX_LINE]}" if own else ""
