# SPDX-License-Identifier: GPL-2.0-or-later
"""
One run of atheris over one target; bench/fuzz starts it, and starts it anew where it died.

Usage: python -m bench.fuzzing.drive NAME FOLDER LIBFUZZER-OPTION...

A fault does not end the run: the first input that raised from a place is written to FOLDER/found, with the
traceback beside it. What ends it is a crash in native code, too much memory, or a hang there.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import atheris

import keepsane

ROOMS = {
    "log": ("api", "kernel", "rules", "render"),
    "stage": ("kernel",),
    "scan": ("kernel",),
    "parsers": ("kernel",),
    "capture": ("memory", "rules", "render"),
    "record": ("memory", "render"),
    "cache": ("symbols",),
    "ko": ("symbols",),
    "netboot": ("listen", "machine", "netboot", "services"),
}
"""What is watched, so that an input is kept where it goes a new way there; watching costs time."""


def main() -> None:
    """Import keepsane so that it is watched, and only then what imports it."""
    name, folder, *options = sys.argv[1:]
    _import_watched(ROOMS[name])
    from bench.fuzzing.loop import fuzz

    fuzz(name, Path(folder), options)


def _import_watched(rooms: Collection[str]) -> None:
    names = list(_modules())
    others = [name for name in names if name.split(".")[1] not in rooms]
    with atheris.instrument_imports(include=["keepsane"], exclude=["keepsane", *others]):
        for name in names:
            importlib.import_module(name)


def _modules() -> Iterator[str]:
    """Give the names of keepsane's modules; to ask pkgutil would import packages before they are watched."""
    top = Path(keepsane.__path__[0])
    for path in sorted(top.rglob("*.py")):
        parts = path.relative_to(top).with_suffix("").parts
        if parts[-1] not in ("__init__", "__main__"):
            yield ".".join(("keepsane", *parts))


if __name__ == "__main__":
    main()
