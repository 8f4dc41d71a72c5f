# SPDX-License-Identifier: GPL-2.0-or-later
"""
Whether a process that makes a kernel is still there: what was killed could not say that it ended.

    1234 (python3) S 1 1234 1234 34816 ... 8412345 ...      /proc/1234/stat

A number may be another process's by now, which its start tells. Source: proc_pid_stat(5), field 22.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Maker(NamedTuple):
    """A process, the host it runs on, and its start in ticks since that host's; None where unknown."""

    host: str
    pid: int | None
    start_ticks: int | None


def this_process() -> Maker:
    """Give the process that asks."""
    pid = os.getpid()
    return Maker(os.uname().nodename, pid, _start_ticks(pid))


def is_gone(maker: Maker) -> bool:
    """Say whether it is certainly not there any more: nothing is known of other hosts."""
    if maker.pid is None or maker.start_ticks is None or maker.host != os.uname().nodename:
        return False
    return _start_ticks(maker.pid) != maker.start_ticks


def _start_ticks(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None
