# SPDX-License-Identifier: GPL-2.0-or-later
"""
Where keepsane keeps what is a user's: the XDG base directories, or all of it below `KEEPSANE_HOME`.

    ~/.config/keepsane/machines        the test machines' files
    ~/.local/share/keepsane/netboot    builds, and what machines booted
    ~/.cache/keepsane                  answers that can be had again, debug information of kept builds

By hand, since importing platformdirs for it takes a tenth of a warm `keepsane explain`. A value that is no
absolute path counts as not set. Source: XDG Base Directory Specification 0.8.
"""

from __future__ import annotations

import os
from pathlib import Path

SOURCE_NOTE = ".source"
"""Ends the file that stands beside debug information: a git tree, and in its second line where that is."""


def config_folder() -> Path:
    """Give the folder of settings. Raises RuntimeError for a user without a home."""
    return _folder("XDG_CONFIG_HOME", ".config")


def data_folder() -> Path:
    """Give the folder of what must not be lost. Raises RuntimeError for a user without a home."""
    return _folder("XDG_DATA_HOME", ".local/share")


def cache_folder() -> Path:
    """Give the folder of what can be had again. Raises RuntimeError for a user without a home."""
    return _folder("XDG_CACHE_HOME", ".cache")


def debug_folder() -> Path:
    """Give the folder with the debug information of kept builds, laid out as /usr/lib/debug is."""
    return cache_folder() / "debug"


def _folder(variable: str, usual: str) -> Path:
    home = Path(os.environ.get("KEEPSANE_HOME", ""))
    if home.is_absolute():
        return home
    given = Path(os.environ.get(variable, ""))
    return (given if given.is_absolute() else Path.home() / usual) / "keepsane"
