# SPDX-License-Identifier: GPL-2.0-or-later
"""Run make: show what it writes, note how far it is, and end it where keepsane is ended."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from keepsane.errors import HistoryError, InputError
from keepsane.netboot.history import History

_BETWEEN_SECONDS = 0.25
_MAX_ERRORS = 20
_ERROR = (" error: ", "*** ")
_ENDING_SECONDS = 10.0
"""make removes what is half done before it ends."""


def follow(make: Sequence[str], history: History, number: int) -> tuple[int, list[str]]:
    """Run make, note how far it is, and give its exit code and first errors. Raises InputError."""
    try:
        ran = subprocess.Popen(
            make, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL in its name
        raise InputError(f"cannot run {make[0]}: {getattr(error, 'strerror', None) or error}") from error
    with ran:
        try:
            errors = _followed(ran, history, number)
        except BaseException:
            _end(ran)
            raise
    if ran.returncode and not errors:
        errors.append(f"{make[0]} ended with {ran.returncode}")
    return ran.returncode, errors


def _followed(ran: subprocess.Popen[bytes], history: History, number: int) -> list[str]:
    errors: list[str] = []
    noted = 0.0
    for raw in ran.stdout or ():
        sys.stdout.buffer.write(raw)
        sys.stdout.buffer.flush()
        line = raw.decode("utf-8", "replace").strip()
        if len(errors) < _MAX_ERRORS and any(mark in line for mark in _ERROR):
            errors.append(line)
        if line and time.monotonic() - noted > _BETWEEN_SECONDS:
            with suppress(HistoryError):  # a screen that lags is no reason to lose a build
                history.progress(number, line)
            noted = time.monotonic()
    return errors


def _end(ran: subprocess.Popen[bytes]) -> None:
    ran.terminate()
    try:
        ran.wait(_ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        ran.kill()


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """Let SIGTERM, and SIGHUP where nohup did not switch it off, interrupt as Ctrl-C does."""
    before = {
        number: signal.signal(number, _interrupt)
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is signal.SIG_DFL
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
