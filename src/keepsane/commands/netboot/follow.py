# SPDX-License-Identifier: GPL-2.0-or-later
"""
Run make: show what it writes, note how far it is, and end it with all it started where keepsane is ended.

make has a process group of its own: Ctrl-C reaches keepsane alone, which interrupts the whole group, so that
no compiler outlives it. What make writes is passed on as it comes; another thread writes the notes.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from keepsane.commands.netboot.notes import Notes
from keepsane.errors import InputError
from keepsane.netboot.make_output import MakeOutput

_PIECE_BYTES = 1 << 16
_PIPE_BYTES = 1 << 16
"""So much a pipe holds: no more of it can be make's once that has ended."""
_LOOK_SECONDS = 0.25
_ENDING_SECONDS = 10.0
"""make removes what is half done before it ends."""


def follow(make: Sequence[str], number: int | None) -> tuple[int, list[str]]:
    """
    Run make, note how far it is, and give its exit code and first errors. Raises InputError.

    `number` is the run's in the history, None for one that no machine waits for.
    """
    try:
        ran = subprocess.Popen(
            make,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            process_group=0,
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL in its name
        raise InputError(f"cannot run {make[0]}: {getattr(error, 'strerror', None) or error}") from error
    said = MakeOutput()
    with ran, Notes(number) as notes, _stopped_together(ran.pid):
        try:
            _pass_on(ran, said, notes)
        except BaseException:
            _end(ran)
            raise
    code = ran.returncode if ran.returncode >= 0 else 128 - ran.returncode
    errors = said.errors()
    return code, errors if errors or not code else [f"{make[0]} ended with {code}"]


def _pass_on(ran: subprocess.Popen[bytes], said: MakeOutput, notes: Notes) -> None:
    """Pass on what make writes until it ends; what it left running in the background may write on."""
    out = ran.stdout.fileno() if ran.stdout else -1
    left_bytes = _PIPE_BYTES
    while left_bytes > 0:
        has_ended = ran.poll() is not None  # before the pipe is looked at: what make wrote is in there then
        if not select.select([out], [], [], 0 if has_ended else _LOOK_SECONDS)[0]:
            if has_ended:
                break
            continue
        piece = os.read(out, _PIECE_BYTES)
        if not piece:
            break
        left_bytes -= len(piece) if has_ended else 0
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        said.take(piece)
        notes.note(said.line)
    said.end()
    ran.wait()


def _end(ran: subprocess.Popen[bytes]) -> None:
    """Interrupt make and all it started; kill what is left of them."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(ran.pid, number)
        if number is not signal.SIGKILL:
            with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):  # who is impatient gets on sooner
                ran.wait(_ENDING_SECONDS)


@contextmanager
def _stopped_together(group: int) -> Iterator[None]:
    """Let Ctrl-Z stop make too, and what goes on go on together."""

    def stop(number: int, frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGSTOP)
            os.kill(os.getpid(), signal.SIGSTOP)
            os.killpg(group, signal.SIGCONT)

    before = signal.getsignal(signal.SIGTSTP)
    if before is signal.SIG_DFL:
        signal.signal(signal.SIGTSTP, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, before)


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
