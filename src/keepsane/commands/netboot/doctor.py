# SPDX-License-Identifier: GPL-2.0-or-later
"""
Look at each part of the way to a booted kernel, and say what would go wrong before it does.

    keepsane netboot doctor 192.168.1.5
    keepsane netboot doctor --machine test-box --devices lspci.txt --grub grub.cfg

It looks at the machines' files, the server, who else reaches it, the room for builds, and the hook of make,
and at the files that are named; lspci.txt is what `lspci -nnk` says on the machine. The exit code is 1 where
something is red.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from keepsane.commands.netboot.ask import read_first_script
from keepsane.errors import InputError
from keepsane.machine.machine import Machine, machine_file, machines_folder, read_all
from keepsane.netboot.agent import check_agent
from keepsane.netboot.check import Check
from keepsane.netboot.doctor import check_build, check_machine, check_room, check_server
from keepsane.netboot.doctor_files import check_dnsmasq, check_dnsmasq_network, check_grub, check_script
from keepsane.netboot.doctor_network import (
    check_firewall,
    check_reach,
    check_trust,
    listening_in,
    networks_in,
)
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import FILE, History
from keepsane.netboot.hook import check_hook
from keepsane.netboot.network_card import Card, cards_in, check_cards
from keepsane.netboot.store import Build, Store
from keepsane.netboot.ways_in import parse_address
from keepsane.render.json import value_json
from keepsane.render.visible import escaped

SCHEMA = 1
_ORDER = ("red", "note", "ok")
MAX_FILE_BYTES = 1 << 20
_FILES: tuple[tuple[str, str, Callable[[str, str], Iterator[Check]]], ...] = (
    ("grub", "a grub.cfg of the machine", check_grub),
    ("dnsmasq", "a file of dnsmasq", check_dnsmasq),
    ("script", "a script for iPXE", check_script),
)


class _Row(NamedTuple):
    """A check in JSON: `result` is red, ok or note."""

    result: str
    what: str


class _Rows(NamedTuple):
    """All of them."""

    schema: int
    rows: tuple[_Row, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot doctor` takes."""
    parser.add_argument(
        "address",
        nargs="?",
        default="127.0.0.1",
        metavar="ADDRESS[:PORT]",
        help="where the server answers (default: %(default)s)",
    )
    parser.add_argument("--machine", metavar="NAME", help="look at this machine alone")
    for option, what, _ in _FILES:
        parser.add_argument(f"--{option}", metavar="FILE", type=Path, help=f"look at {what} too")
    parser.add_argument("--devices", metavar="FILE", type=Path, help="what lspci -nnk or modalias say there")
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(arguments: argparse.Namespace) -> int:
    """Write a line for each check; 1 where one is red. Raises InputError for a file that cannot be read."""
    with _history() as history:
        checks = sorted(_checks(arguments, history), key=lambda check: _ORDER.index(check.word))
    if arguments.format == "json":
        rows = tuple(_Row(check.word, check.what) for check in checks)
        sys.stdout.write(value_json(_Rows(SCHEMA, rows)))
    else:
        sys.stdout.writelines(f"{escaped(check.line())}\n" for check in checks)
    return int(any(check.ok is False for check in checks))


@contextmanager
def _history() -> Iterator[History | None]:
    """Give the history, None where there is none yet: who looks makes none."""
    if not (netboot_folder() / FILE).exists():
        yield None
        return
    with closing(History(netboot_folder())) as history:
        yield history


def _free_bytes(folder: Path) -> int:
    """Give what is free where a folder is, or will be."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    return shutil.disk_usage(there).free


def _checks(arguments: argparse.Namespace, history: History | None) -> Iterator[Check]:
    cards = _cards(arguments.devices)
    yield from _machines(arguments.machine, cards, history)
    yield check_room(netboot_folder(), _free_bytes(netboot_folder()))
    yield from check_hook(Path.home(), os.environ)
    for option, _, check in _FILES:
        path = getattr(arguments, option)
        if path is not None:
            yield from check(str(path), _read(path))
    if arguments.dnsmasq is not None:
        networks = networks_in(_read_proc("net/route"))
        yield from check_dnsmasq_network(str(arguments.dnsmasq), _read(arguments.dnsmasq), networks)
    yield from _server(*parse_address(arguments.address))


def _machines(named: str | None, cards: list[Card] | None, history: History | None) -> Iterator[Check]:
    machines, wrong = read_all(machines_folder())
    yield from (Check(False, said) for said in wrong)
    if named is not None:
        machines = tuple(machine for machine in machines if machine.name == named)
        if not machines and not machine_file(named).exists():
            raise InputError(f"no machine is called {named}; describe it: keepsane netboot edit {named}")
    elif not machines and not wrong:
        yield Check(False, "no machine is described; describe one: keepsane netboot edit NAME")
    for machine in machines:
        yield from _machine(machine, cards, history)


def _machine(machine: Machine, cards: list[Card] | None, history: History | None) -> Iterator[Check]:
    store = Store(netboot_folder())
    build = _offered(store, history, machine.name)
    config = None if build is None else _config(store, build)
    yield from check_machine(machine, config)
    if build is not None:
        yield check_build(machine.name, build)
        yield from check_agent(machine, has_modules=build.file("modules") is not None)
    yield from check_cards(machine, config, cards)
    yield from check_trust(machine)


def _offered(store: Store, history: History | None, machine: str) -> Build | None:
    """Give what a machine was offered last, None where it was nothing, or is not kept any more."""
    offer = None if history is None else history.last_offer(machine)
    try:
        return None if offer is None else store.build(offer.build)
    except InputError:
        return None


def _config(store: Store, build: Build) -> str | None:
    try:
        kept = store.read(build, "config", MAX_FILE_BYTES)
    except OSError:
        return None
    return None if kept is None else kept.decode("utf-8", "replace")


def _server(host: str, port: int) -> Iterator[Check]:
    answer = read_first_script(host, port)
    yield check_server(f"{host}:{port}", answer)
    if answer is None:
        return
    listening = listening_in(_read_proc("net/tcp") + _read_proc("net/tcp6"), port)
    yield from check_reach(host, networks_in(_read_proc("net/route")), listening)
    yield from check_firewall(host, port)


def _cards(path: Path | None) -> list[Card] | None:
    if path is None:
        return None
    aliases = Path("/lib/modules", os.uname().release, "modules.alias")
    return cards_in(_read(path), _read(aliases, most=32 * MAX_FILE_BYTES) if aliases.is_file() else "")


def _read_proc(name: str) -> str:
    try:
        return _read(Path("/proc", name))
    except InputError:
        return ""


def _read(path: Path, most: int = MAX_FILE_BYTES) -> str:
    try:
        with path.open("rb") as file:
            return file.read(most).decode("utf-8", "replace")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
