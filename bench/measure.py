# SPDX-License-Identifier: GPL-2.0-or-later
"""Wall-clock times of processes, as the scripts here compare them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

KEEPSANE = (sys.executable, "-m", "keepsane.cli")
FOUND_OR_NOT = (0, 1)  # exit codes of a keepsane that did its work

Command = Sequence[str | Path]


def seconds(
    command: Command, *, stdin: Path | None = None, environment: Mapping[str, str] | None = None
) -> float:
    """Seconds from the start of a process to its end; its output goes to a temporary file, as in a pipe."""
    with (stdin or Path(os.devnull)).open("rb") as given, tempfile.TemporaryFile() as said:
        begun = time.perf_counter()
        done = subprocess.run(
            command,
            stdin=given,
            stdout=said,
            stderr=subprocess.DEVNULL,
            env=installed(environment),
            check=False,
        )
        took = time.perf_counter() - begun
    if done.returncode not in FOUND_OR_NOT:
        raise SystemExit(f"exit code {done.returncode}: {' '.join(map(str, command))}")
    return took


def installed(environment: Mapping[str, str] | None) -> dict[str, str]:
    """An environment, by default this process's, in which Python keeps what it compiled."""
    # An installed keepsane has its .pyc files; where a shell forbids them, each run would compile everything.
    given = os.environ if environment is None else environment
    return {name: value for name, value in given.items() if name != "PYTHONDONTWRITEBYTECODE"}


def explain_command(log: Path, vmlinux: Path, modules: Path, *options: str) -> Command:
    """The command line that explains a log."""
    return [*KEEPSANE, "explain", log, "--vmlinux", vmlinux, "--modules", modules, *options]


def with_cache(folder: str | Path) -> dict[str, str]:
    """This process's environment, with keepsane's cache in `folder`."""
    return {**os.environ, "XDG_CACHE_HOME": str(folder)}


def cold_seconds(command: Command, *, times: int) -> float:
    """The best of several runs of a command, each with an empty cache of its own."""
    took = []
    for _ in range(times):
        with tempfile.TemporaryDirectory() as empty:
            took.append(seconds(command, environment=with_cache(empty)))
    return min(took)


def warm_pages(*files: Path) -> None:
    """Read files once, so that no run that is measured waits for the disk."""
    for path in files:
        with path.open("rb") as file:
            while file.read(1 << 24):
                pass


def said(name: str, ours: float, peer: str, theirs: float) -> str:
    """One line of a result, the ratio first."""
    return f"{name}: {theirs / ours:.1f} times faster ({ours:.2f} s; {peer} {theirs:.2f} s)"
