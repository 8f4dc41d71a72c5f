# SPDX-License-Identifier: GPL-2.0-or-later
"""
A test machine, as its file says it.

    mac = ["52:54:00:12:34:56"]
    command_line = "console=ttyS0 panic=10 oops=panic"
    initrd = "/home/dave/initrd.gz"
    policy = "wait"                   # or "last-good"

The file is `~/.config/keepsane/machines/NAME.toml`. Anything else in it is refused: a misspelt name would
be a setting that silently is not there.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from keepsane.errors import InputError
from keepsane.folders import config_folder

Policy = Literal["wait", "last-good"]
DEFAULT_COMMAND_LINE = "panic=10 oops=panic softlockup_panic=1 hung_task_panic=1"
"""With it a machine that crashes or hangs comes back by itself, after what it said has been written."""
MAX_FILE_BYTES = 64 << 10

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A test machine; `mac` are its network cards, lower-case with colons, `initrd` is a file."""

    name: str
    mac: tuple[str, ...] = ()
    command_line: str = DEFAULT_COMMAND_LINE
    initrd: Path | None = None
    policy: Policy = "wait"


def machines_folder() -> Path:
    """Give the folder of the machines' files."""
    return config_folder() / "machines"


def read_machines(folder: Path) -> tuple[Machine, ...]:
    """Read every machine's file. Raises InputError for one that is wrong, and for a card of two machines."""
    machines = tuple(read_machine(path) for path in sorted(folder.glob("*.toml")))
    owners: dict[str, str] = {}
    for machine in machines:
        for mac in machine.mac:
            if mac in owners:
                raise InputError(
                    f"{mac} is of {owners[mac]} and of {machine.name}; take it out of one of them"
                )
            owners[mac] = machine.name
    return machines


def read_machine(path: Path) -> Machine:
    """Read one machine's file. Raises InputError with the file and what is wrong in it."""
    if _NAME.fullmatch(path.stem) is None:
        raise InputError(f"{path}: a machine's name has 1 to 32 of a to z, 0 to 9 and -")
    try:
        with path.open("rb") as file:
            said = tomllib.loads(file.read(MAX_FILE_BYTES).decode())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:  # TOML's, or of the encoding
        raise InputError(f"{path}: {error}") from error
    return parse_machine(path, said)


def parse_machine(path: Path, said: Mapping[str, Any]) -> Machine:
    """Make a machine of what its file says. Raises InputError."""
    known = {"mac", "command_line", "initrd", "policy"}
    if unknown := sorted(said.keys() - known):
        raise InputError(f"{path}: {unknown[0]} is no setting; there are {', '.join(sorted(known))}")
    command_line, initrd, policy = said.get("command_line", DEFAULT_COMMAND_LINE), said.get("initrd"), "wait"
    policy = said.get("policy", policy)
    if not isinstance(command_line, str) or not isinstance(initrd, str | None):
        raise InputError(f"{path}: command_line and initrd are text")
    if policy not in get_args(Policy):
        raise InputError(f"{path}: policy is one of {', '.join(get_args(Policy))}")
    return Machine(
        name=path.stem,
        mac=_macs(path, said.get("mac", [])),
        command_line=command_line,
        initrd=None if initrd is None else path.parent / Path(initrd).expanduser(),
        policy=policy,
    )


def _macs(path: Path, said: object) -> tuple[str, ...]:
    listed = [said] if isinstance(said, str) else said
    if not isinstance(listed, list):
        raise InputError(f'{path}: mac is a list, ["52:54:00:12:34:56"]')
    macs = tuple(str(mac).lower().replace("-", ":") for mac in listed)
    for mac in macs:
        if _MAC.fullmatch(mac) is None:
            raise InputError(f"{path}: {mac} is no address of a network card, as 52:54:00:12:34:56")
    return macs
