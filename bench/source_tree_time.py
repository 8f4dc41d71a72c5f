# SPDX-License-Identifier: GPL-2.0-or-later
"""
Write the sources of a kernel tree as a git tree, beside `git status` and `git stash create` in the same run.

    python -m bench.source_tree_time ~/linux

The folder is a git tree with its files; one of them, mm/slub.c, is changed for a time. Medians of five.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from keepsane.netboot.source_tree import snapshot

TIMES = 5


def main() -> None:
    """Print each time, without a change and with one."""
    folder = Path(sys.argv[1])
    files = _git(folder, "ls-files").count(b"\n")
    changed = folder / "mm/slub.c"
    before = changed.read_bytes()
    _git(folder, "status", "--porcelain")  # every file's state is in memory then
    try:
        _print(f"{files} files, none changed", folder)
        changed.write_bytes(before + b"/* changed */\n")
        _print(f"{files} files, one changed", folder)
    finally:
        changed.write_bytes(before)


def _print(what: str, folder: Path) -> None:
    ours = _median(lambda: _taken(folder))
    status = _median(lambda: _git(folder, "status", "--porcelain"))
    stash = _median(lambda: _git(folder, "stash", "create"))
    print(f"{what}: {ours:.2f} s; git status {status:.2f} s, git stash create {stash:.2f} s")


def _taken(folder: Path) -> None:
    found = snapshot(folder)
    if not found.tree:
        raise SystemExit(f"no tree was written: {found.problem}")


def _git(folder: Path, *words: str) -> bytes:
    return subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True).stdout


def _median(do: Callable[[], object]) -> float:
    took = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        do()
        took.append(time.perf_counter() - begun)
    return statistics.median(took)


if __name__ == "__main__":
    main()
