#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Finds one Python of each version that the pinned packages are for, beyond PATH too.

    pythons.py    prints a line `3.12 /usr/bin/python3.12` each, `3.12 -` where there is none
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

VERSIONS = ((3, 11), (3, 12), (3, 13))
# Where distributions, a local build, pyenv and uv put them; ~ is the home folder.
PLACES = (
    "/usr/bin",
    "/usr/local/bin",
    "/opt/*/bin",
    "~/.pyenv/versions/*/bin",
    "~/.local/share/uv/python/*/bin",
)
# Without ensurepip it can make no virtual environment. What it says of itself counts, not its file's name.
ASK = "import ensurepip, sys; print('{}.{}'.format(*sys.version_info), sys.executable)"


def main() -> int:
    """Print what is there, and what is not."""
    folders = folders_of(os.environ.get("PATH", ""), Path.home())
    for version in VERSIONS:
        name = "{}.{}".format(*version)
        print(name, find(version, folders) or "-")
    return 0


def folders_of(path: str, home: Path) -> list[Path]:
    """Return the folders to look in: the places first, since PATH may hold shims that are no Python."""
    known = [found for place in PLACES for found in _matches(place, home)]
    return [*known, *(Path(part) for part in path.split(os.pathsep) if part)]


def find(version: tuple[int, int], folders: Iterable[Path]) -> str | None:
    """Return the path of the first Python of this version that runs and can make a virtual environment."""
    name = "{}.{}".format(*version)
    for folder in folders:
        said, _, path = _ask(folder / f"python{name}").partition(" ")
        if said == name:
            return path
    return None


def _matches(place: str, home: Path) -> list[Path]:
    root, _, pattern = place.partition("/")
    return sorted((home if root else Path("/")).glob(pattern), reverse=True)


def _ask(python: Path) -> str:
    if not os.access(python, os.X_OK):
        return ""
    try:
        done = subprocess.run(
            [python, "-I", "-c", ASK], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


if __name__ == "__main__":
    sys.exit(main())
