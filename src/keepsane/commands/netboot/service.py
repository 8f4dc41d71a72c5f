# SPDX-License-Identifier: GPL-2.0-or-later
"""
Print a unit of systemd that keeps `keepsane netboot serve` running as you, or install it.

    keepsane netboot service --address 192.168.1.5
    keepsane netboot service --address 192.168.1.5 --install

--install writes ~/.config/systemd/user/keepsane-netboot.service and starts nothing: it says what does.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import sys
from pathlib import Path

from keepsane.errors import InputError, OutputError
from keepsane.netboot.unit import NAME, write_unit
from keepsane.netboot.ways_in import PORT
from keepsane.render.visible import escaped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot service` takes."""
    parser.add_argument(
        "--address",
        action="append",
        metavar="ADDRESS",
        help="as of serve, may be repeated (default: 127.0.0.1)",
    )
    parser.add_argument("--port", type=int, default=PORT, help="as of serve (default: %(default)s)")
    parser.add_argument(
        "--install", action="store_true", help="write it where systemd looks for a user's units"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print or write it. Raises InputError and OutputError."""
    if not 0 < arguments.port < 1 << 16:
        raise InputError(f"{arguments.port} is no TCP port; there are 1 to 65535")
    unit = write_unit(_command(arguments), _environment())
    if not arguments.install:
        sys.stdout.write(unit)
        return 0
    path = units_folder() / NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(unit, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    sys.stdout.write(
        f"written to {escaped(str(path))}; start it now and whenever you log in:\n"
        f"  systemctl --user daemon-reload\n  systemctl --user enable --now {NAME}\n"
        "and keep it while you are logged out:\n  loginctl enable-linger\n"
        f"what it says: journalctl --user -fu {NAME}\n"
    )
    return 0


def units_folder() -> Path:
    """Give the folder of a user's units."""
    given = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".config") / "systemd" / "user"


def _command(arguments: argparse.Namespace) -> list[str]:
    words = [sys.executable, "-m", "keepsane.cli", "netboot", "serve"]
    for said in arguments.address or ["127.0.0.1"]:
        words += ["--address", _address(said)]
    return [*words, "--port", str(arguments.port)]


def _address(said: str) -> str:
    try:
        return str(ipaddress.ip_address(said))
    except ValueError:
        raise InputError(f"{said} is no address of this machine; the port is said by --port") from None


def _environment() -> dict[str, str]:
    """Give what decides where the builds are: a user's manager does not have it from the shell."""
    names = ("KEEPSANE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")
    return {name: os.environ[name] for name in names if Path(os.environ.get(name, "")).is_absolute()}
