# SPDX-License-Identifier: GPL-2.0-or-later
"""
The `.ko` files below a directory, by module name.

    drivers/block/virtio_blk.ko   virtio_blk.ko.xz   virtio-blk.ko.zst   virtio_blk.ko.debug

A module's name has `_` where its file may have `-` (scripts/Makefile.lib).
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_KO = re.compile(r"(?P<name>.{1,64})\.ko(?:\.debug)?(?:\.(?:xz|gz|zst))?\Z")
_MAX_FILES = 300_000
_MAX_PER_NAME = 8


ModuleIndex = dict[str, list[str]]
"""The paths of each module's files; a name is written with `_`."""


def index_modules(directory: Path) -> ModuleIndex:
    """
    Walk a directory once and list the files of each module.

    Links to directories are not followed; the walk ends after 300,000 files.
    """
    found: ModuleIndex = {}
    left = _MAX_FILES
    for top, _, files in os.walk(directory):
        left -= len(files)
        if left < 0:
            break
        for file in files:
            said = _KO.match(file)
            if said:
                found.setdefault(said["name"].replace("-", "_"), []).append(f"{top}/{file}")
    return found


def files_of(index: ModuleIndex, module: str, release: str | None) -> list[Path]:
    """Give the files of a module; those in a directory of the log's release stand first."""
    paths = [Path(path) for path in index.get(module.replace("-", "_"), [])[:_MAX_PER_NAME]]
    return sorted(paths, key=lambda path: release is None or release not in path.parts)
