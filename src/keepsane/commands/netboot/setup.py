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
from keepsane.netboot.ways_in import next_steps, parse_address, ways_in
from keepsane.render.visible import escaped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot setup` takes."""
    parser.add_argument("address", metavar="ADDRESS[:PORT]", help="where machines reach this server")
    parser.add_argument("folder", metavar="FOLDER", help="where the files are written")
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
    address, port = parse_address(arguments.address)
    folder = _folder(arguments.folder)
    files = ways_in(address, port, arguments.tries)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="ascii")
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from error
    sys.stdout.writelines(f"{escaped(str(folder / name))}\n" for name in files)
    sys.stdout.write(next_steps(escaped(str(folder)), address, port))
    return 0


def _folder(said: str) -> Path:
    """Read the folder; an empty name, of a variable that is not set, would be the current one."""
    if not said:
        raise InputError("the folder has no name; name one, as ways")
    return Path(said)
