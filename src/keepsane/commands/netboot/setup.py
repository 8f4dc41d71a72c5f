# SPDX-License-Identifier: GPL-2.0-or-later
"""
Write what brings a machine to this server: the script that asks, and ways to start it.

    keepsane netboot setup 192.168.1.5 ways

first.ipxe is the script. grub.cfg starts it from GRUB 2 on a BIOS, dnsmasq.conf over the network beside the
DHCP server that is there. Nothing outside the folder is changed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from keepsane.errors import InputError, OutputError
from keepsane.netboot.ways_in import parse_address, ways_in


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot setup` takes."""
    parser.add_argument("address", metavar="ADDRESS[:PORT]", help="where machines reach this server")
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="where the files are written")
    parser.add_argument(
        "--tries",
        type=int,
        default=0,
        help="give up after so many, and start the local disk (default: never)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the files. Raises InputError and OutputError."""
    if not 0 <= arguments.tries < 1 << 20:
        raise InputError(f"--tries {arguments.tries} is no number of tries; 0 is for ever")
    files = ways_in(*parse_address(arguments.address), arguments.tries)
    try:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (arguments.folder / name).write_text(text, encoding="ascii")
    except OSError as error:
        raise OutputError(f"cannot write to {arguments.folder}: {error.strerror or error}") from error
    sys.stdout.writelines(f"{arguments.folder / name}\n" for name in files)
    return 0
