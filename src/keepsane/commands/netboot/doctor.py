# SPDX-License-Identifier: GPL-2.0-or-later
"""
Look at each part of the way to a booted kernel: the machines' files, the server, the room, the hook of make.

The exit code is 1 where something is red.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from keepsane.errors import InputError
from keepsane.machine.machine import machines_folder, read_machines
from keepsane.netboot.check import Check
from keepsane.netboot.doctor import check_machine, check_room, check_server
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import History
from keepsane.netboot.hook import check_hook
from keepsane.netboot.store import Store
from keepsane.netboot.ways_in import parse_address
from keepsane.render.visible import escaped

MAX_CONFIG_BYTES = 1 << 20
_SECONDS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot doctor` takes."""
    parser.add_argument(
        "address",
        nargs="?",
        default="127.0.0.1",
        metavar="ADDRESS[:PORT]",
        help="where the server answers",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write a line for each check."""
    with closing(History(netboot_folder())) as history:
        checks = list(_checks(arguments.address, history))
    sys.stdout.writelines(f"{escaped(check.line())}\n" for check in checks)
    return int(any(check.ok is False for check in checks))


def _checks(address: str, history: History) -> Iterator[Check]:
    store = Store(netboot_folder())
    try:
        machines = read_machines(machines_folder())
    except InputError as error:
        yield Check(False, str(error))
        machines = ()
    else:
        if not machines:
            yield Check(False, f"no machine is described in {machines_folder()}; write NAME.toml there")
    for machine in machines:
        yield from check_machine(machine, _config(store, history, machine.name))
    yield check_room(netboot_folder(), shutil.disk_usage(netboot_folder()).free)
    yield from check_hook(Path.home(), os.environ)
    host, port = parse_address(address)
    yield check_server(f"{host}:{port}", _first_script(host, port))


def _config(store: Store, history: History, machine: str) -> str | None:
    """Give the configuration of what a machine was offered last."""
    offer = history.last_offer(machine)
    if offer is None:
        return None
    try:
        kept = store.read(store.build(offer.build), "config", MAX_CONFIG_BYTES)
    except (InputError, OSError):
        return None
    return None if kept is None else kept.decode("utf-8", "replace")


def _first_script(host: str, port: int) -> bytes | None:
    connection = HTTPConnection(host, port, timeout=_SECONDS)
    try:
        connection.request("GET", "/s")
        return connection.getresponse().read(4096)
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
