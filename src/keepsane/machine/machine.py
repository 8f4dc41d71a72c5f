# SPDX-License-Identifier: GPL-2.0-or-later
"""
A test machine, as its file says it.

    mac = ["52:54:00:12:34:56"]
    command_line = "console=ttyS0 panic=10 oops=panic"
    initrd = "/home/dave/initrd.gz"   # or "generated"
    busybox = "/home/dave/busybox"    # of the generated initrd, where it is not /bin/busybox: a static one
    modules = true                    # modules of the build travel beside the initrd
    policy = "wait"                   # or "last-good"
    mark = "login:"                   # what its console shows when a kernel works
    mark_seconds = 120                # and how long that may take
    tries = 20                        # asked in vain so often, it starts the local disk; 0 is never
    secret = "0123456789abcdef0123456789abcdef"      # what its first script sends with each poll
    sign = ["sbsign", "--key", "db.key", "--cert", "db.crt", "--output", "{signed}", "{kernel}"]
    console = "/dev/ttyUSB0"
    reboot = ["ssh", "root@test-box", "reboot", "-f"]
    power = ["power-socket", "test-box"]

The file is `~/.config/keepsane/machines/NAME.toml`. Anything else in it is refused: a misspelt name would
be a setting that silently is not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from keepsane.errors import InputError
from keepsane.folders import config_folder
from keepsane.machine import settings
from keepsane.machine.file import read_toml
from keepsane.machine.settings import Initrd, Policy

DEFAULT_COMMAND_LINE = "panic=10 oops=panic softlockup_panic=1 hung_task_panic=1"
"""With it a machine that crashes or hangs comes back by itself, after what it said has been written."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """
    A test machine; `mac` are its network cards, lower-case with colons, `initrd` a file or "generated".

    `tries` 0 is never, `secret` "" none. `sign` signs its kernels, `reboot` restarts it from inside, `power`
    from outside: commands as lists of words, none where empty. `mark` is the text of its console that says a
    kernel works, within `mark_seconds` of its start; `console` says where that console is.
    """

    name: str
    mac: tuple[str, ...] = ()
    command_line: str = DEFAULT_COMMAND_LINE
    initrd: Initrd = None
    busybox: Path = settings.BUSYBOX
    modules: bool = True
    policy: Policy = "wait"
    mark: str | None = None
    mark_seconds: int = 120
    tries: int = 0
    secret: str = field(default="", repr=False)
    sign: tuple[str, ...] = ()
    console: str | None = None
    reboot: tuple[str, ...] = ()
    power: tuple[str, ...] = ()


_CHECKS: Mapping[str, Callable[[object], object]] = {
    "mac": settings.macs,
    "command_line": settings.command_line,
    "modules": settings.truth,
    "policy": settings.policy,
    "mark": partial(settings.text, example='"login:"'),
    "mark_seconds": partial(settings.number, least=1, most=settings.MAX_MARK_SECONDS),
    "tries": partial(settings.number, least=0, most=(1 << 20) - 1, meaning=", which is never,"),
    "secret": settings.secret,
    "sign": partial(settings.words, holds=("{kernel}", "{signed}")),
    "console": partial(settings.text, example='"/dev/ttyUSB0"'),
    "reboot": settings.words,
    "power": settings.words,
}
KNOWN = frozenset({*_CHECKS, "initrd", "busybox"})
"""The names of the settings."""


def machines_folder() -> Path:
    """Give the folder of the machines' files."""
    return config_folder() / "machines"


def machine_file(name: str) -> Path:
    """Give the file of a machine, which need not be there. Raises InputError for what is no name of one."""
    if _NAME.fullmatch(name) is None:
        raise InputError(
            f"{name or 'an empty name'} is no name of a machine; it has 1 to 32 of a to z, 0 to 9 and -"
        )
    return machines_folder() / f"{name}.toml"


def machine_files(folder: Path) -> list[Path]:
    """Give the files of machines; what begins with a dot is an editor's."""
    return sorted(path for path in folder.glob("*.toml") if not path.name.startswith("."))


def read_machines(folder: Path) -> tuple[Machine, ...]:
    """Read every machine's file. Raises InputError for one that is wrong, and for a card of two machines."""
    machines, wrong = read_all(folder)
    for said in wrong:
        raise InputError(said)
    return machines


def read_all(folder: Path) -> tuple[tuple[Machine, ...], tuple[str, ...]]:
    """Read every machine's file that can be read, and say what is wrong with the others."""
    machines, wrong = [], []
    for path in machine_files(folder):
        try:
            machines.append(read_machine(path))
        except InputError as error:
            wrong.append(str(error))
    return tuple(machines), (*wrong, *cards_of_two(machines))


def other_machines(path: Path, machine: Machine) -> Iterator[str]:
    """Say which of a machine's network cards another has, as the files beside its own have it."""
    others, _ = read_all(path.parent)
    yield from cards_of_two((machine, *(other for other in others if other.name != machine.name)))


def cards_of_two(machines: Iterable[Machine]) -> Iterator[str]:
    """Say which network cards two machines have."""
    owners: dict[str, str] = {}
    for machine in machines:
        for mac in machine.mac:
            if (owner := owners.setdefault(mac, machine.name)) != machine.name:
                yield f"{mac} is of {owner} and of {machine.name}; take it out of one of them"


def read_machine(path: Path) -> Machine:
    """Read one machine's file. Raises InputError with the file and what is wrong in it."""
    if _NAME.fullmatch(path.stem) is None:
        raise InputError(f"{path}: a machine's name has 1 to 32 of a to z, 0 to 9 and -; rename the file")
    return parse_machine(path, read_toml(path))


def parse_machine(path: Path, said: Mapping[str, Any]) -> Machine:
    """Make a machine of what its file says. Raises InputError with file, setting and what to write."""
    if unknown := sorted(said.keys() - KNOWN):
        known = ", ".join(sorted(KNOWN))
        raise InputError(f"{path}: {unknown[0][:80]} is no setting; there are {known}")
    checks: dict[str, Callable[[object], object]] = {
        **_CHECKS,
        "initrd": partial(settings.initrd, folder=path.parent),
        "busybox": partial(settings.file_path, folder=path.parent),
    }
    values: dict[str, Any] = {}
    for key, value in said.items():
        try:
            values[key] = checks[key](value)
        except ValueError as error:
            raise InputError(f"{path}: {key} {error}") from error
    return Machine(name=path.stem, **values)
