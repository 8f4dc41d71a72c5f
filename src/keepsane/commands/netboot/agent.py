# SPDX-License-Identifier: GPL-2.0-or-later
"""
Write what a test machine's own root needs: its modules, the log of its last crash, its watchdog.

    keepsane netboot agent | ssh root@test-box sh
    keepsane netboot agent FOLDER               the same as files, to put there by hand

The script that is printed writes three files and enables two systemd units. They do nothing in a kernel that
keepsane did not boot.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from keepsane.errors import OutputError
from keepsane.netboot.agent import PLACES, SCRIPT, agent_files, install_script
from keepsane.render.visible import escaped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot agent` takes."""
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        type=Path,
        nargs="?",
        help="write the files there (default: print a script)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the script, or write the files. Raises OutputError."""
    folder: Path | None = arguments.folder
    if folder is None:
        sys.stdout.write(install_script())
        return 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in agent_files().items():
            (folder / name).write_text(text, encoding="ascii")
        (folder / SCRIPT).chmod(0o755)
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from error
    sys.stdout.writelines(
        f"{escaped(str(folder / name))}  goes to {place}\n" for name, place in PLACES.items()
    )
    sys.stdout.write("then, on the machine: systemctl enable keepsane-agent-early keepsane-agent\n")
    return 0
