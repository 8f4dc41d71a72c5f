# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel of the examples: a tree of C that make builds in a second, which crashes by its own mistake."""

from __future__ import annotations

import shutil
from pathlib import Path

from keepsane.errors import InputError

NAME = "tiny-kernel"
_BUILT = (
    *("*.o", "*.bin", "bzImage", "vmlinux", "System.map", ".tmp_*", ".config", ".version"),
    *("generated", "config"),
)


def copy_kernel(target: Path) -> None:
    """Copy its sources to a folder that is not there yet. Raises InputError where they are not installed."""
    source = next(filter(Path.is_dir, _places()), None)
    if source is None:
        raise InputError("the kernel of the examples is not here; run it from keepsane's source tree")
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*_BUILT))


def _places() -> tuple[Path, Path]:
    """Give where it is: beside the package in a wheel, in the examples of the source tree."""
    package = Path(__file__).parents[2]
    return package / "examples" / NAME, package.parents[1] / "examples" / NAME
