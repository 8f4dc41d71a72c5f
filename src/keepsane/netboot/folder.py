# SPDX-License-Identifier: GPL-2.0-or-later
"""Where builds and history are kept."""

from __future__ import annotations

from pathlib import Path

from keepsane.folders import data_folder

NETBOOT = "netboot"
"""The name of their folder."""


def netboot_folder() -> Path:
    """Give the folder of the builds and of what machines booted."""
    return data_folder() / NETBOOT
