# SPDX-License-Identifier: GPL-2.0-or-later
"""Answer machines that ask for a kernel, until it is interrupted."""

from __future__ import annotations

import argparse
import asyncio
import errno
import sys
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from keepsane.commands.netboot.demo import demo
from keepsane.errors import InputError
from keepsane.listen.server import Limits, Server, bind
from keepsane.machine.machine import machines_folder
from keepsane.netboot.doctor_network import addresses_in
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import History
from keepsane.netboot.presence import serving
from keepsane.netboot.store import Store
from keepsane.netboot.ways_in import PORT
from keepsane.render.visible import escaped
from keepsane.services.netboot_server import NetbootServer

WAIT_SECONDS = 0.2
"""So long a change of the history waits for another process: every machine waits with it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot serve` takes."""
    parser.add_argument(
        "--address",
        action="append",
        metavar="ADDRESS",
        help="an address of this machine to answer on, may be repeated (default: 127.0.0.1)",
    )
    parser.add_argument("--port", type=int, default=PORT, help="the TCP port (default: %(default)s)")
    parser.add_argument(
        "--demo",
        action="store_true",
        help="show it with a machine in QEMU and a tiny kernel: half a minute, nothing of yours is touched",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve. Raises InputError where it cannot listen there."""
    if arguments.demo:
        return demo(_show)
    if not 0 <= arguments.port < 1 << 16:
        raise InputError(f"{arguments.port} is no TCP port; there are 1 to 65535, and 0 takes a free one")
    try:
        asyncio.run(_serve(arguments.address or ["127.0.0.1"], arguments.port))
    except KeyboardInterrupt:  # the way to end it
        return 0
    return 0


def say(what: str) -> None:
    """Write a line about what happens, with the time of day."""
    _show(f"{time.strftime('%H:%M:%S')}  {escaped(what)}\n")


def _show(line: str) -> None:
    # Machines are served whether or not anybody reads along: `| head`, a disk that is full.
    with suppress(OSError, ValueError):
        sys.stdout.write(line)
        sys.stdout.flush()


def _own_addresses() -> list[str]:
    with suppress(OSError):
        return addresses_in(Path("/proc/net/fib_trie").read_text("ascii", "replace"))
    return []


async def _serve(addresses: Sequence[str], port: int) -> None:
    with closing(History(netboot_folder(), WAIT_SECONDS)) as history, serving(netboot_folder()):
        await _served(addresses, port, history)


async def _served(addresses: Sequence[str], port: int, history: History) -> None:
    try:
        sockets = [bind(address, port) for address in addresses]
    except (OSError, UnicodeError) as error:  # UnicodeError: what cannot even be the name of a host
        why = getattr(error, "strerror", None) or "no address has such letters"
        if getattr(error, "errno", None) == errno.EADDRNOTAVAIL:
            why = f"this machine has no such address; it has {', '.join(_own_addresses()) or 'none of IPv4'}"
        raise InputError(f"cannot listen on {', '.join(addresses)} port {port}: {why}") from error
    answers = NetbootServer(Store(netboot_folder()), history, machines_folder(), say)
    server = Server(answers.answer, Limits())
    await server.start(*sockets)
    for bound in sockets:
        host, real_port, *_ = bound.getsockname()
        shown = f"[{host}]" if ":" in host else host
        _show(f"machines ask http://{shown}:{real_port}/s\n")
    try:
        await answers.watch()
    finally:
        await server.close()
