# SPDX-License-Identifier: GPL-2.0-or-later
"""Where builds and history are kept."""

from __future__ import annotations

import os
from pathlib import Path


def netboot_folder() -> Path:
    """Give `KEEPSANE_HOME/netboot`, or `netboot` below the user's data."""
    if home := os.environ.get("KEEPSANE_HOME"):
        return Path(home) / "netboot"
    given = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".local" / "share") / "keepsane" / "netboot"
