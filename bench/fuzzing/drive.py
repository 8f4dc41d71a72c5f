# SPDX-License-Identifier: GPL-2.0-or-later
"""
One run of atheris over one target; bench/fuzz starts it, and starts it anew where it died.

Usage: python -m bench.fuzzing.drive NAME FOLDER LIBFUZZER-OPTION...

A fault does not end the run: the first input that raised from a place is written to FOLDER/found, with the
traceback beside it. What ends it is a crash in native code, too much memory, or a hang there.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterable
from pathlib import Path

import atheris

import keepsane

ROOMS = {
    "log": ("api", "kernel", "rules", "render"),
    "capture": ("memory", "rules", "render"),
    "record": ("memory", "render"),
    "cache": ("symbols",),
    "ko": ("symbols",),
}
"""What is watched, so that an input is kept where it goes a new way there; watching costs time."""


def main() -> None:
    """Import keepsane so that it is watched, and only then what imports it."""
    name, folder, *options = sys.argv[1:]
    _import_watched(ROOMS[name])
    from bench.fuzzing.loop import fuzz

    fuzz(name, Path(folder), options)


def _import_watched(rooms: Iterable[str]) -> None:
    with atheris.instrument_imports(include=[f"keepsane.{room}" for room in rooms]):
        for found in pkgutil.walk_packages(keepsane.__path__, "keepsane."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)


if __name__ == "__main__":
    main()
