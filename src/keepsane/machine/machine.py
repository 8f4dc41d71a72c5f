# SPDX-License-Identifier: GPL-2.0-or-later
"""
A test machine, as its file says it.

    mac = ["52:54:00:12:34:56"]
    command_line = "console=ttyS0 panic=10 oops=panic"
    initrd = "/home/dave/initrd.gz"
    policy = "wait"                   # or "last-good"
    tries = 20                        # asked in vain so often, it starts the local disk; 0 is never
    secret = "0123456789abcdef0123456789abcdef"      # what its first script sends with each poll
    sign = ["sbsign", "--key", "db.key", "--cert", "db.crt", "--output", "{signed}", "{kernel}"]

The file is `~/.config/keepsane/machines/NAME.toml`. Anything else in it is refused: a misspelt name would
be a setting that silently is not there.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from keepsane.errors import InputError
from keepsane.folders import config_folder

Policy = Literal["wait", "last-good"]
DEFAULT_COMMAND_LINE = "panic=10 oops=panic softlockup_panic=1 hung_task_panic=1"
"""With it a machine that crashes or hangs comes back by itself, after what it said has been written."""
MAX_FILE_BYTES = 64 << 10

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_SECRET = re.compile(r"[0-9a-f]{32}")
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """
    A test machine; `mac` are its network cards, lower-case with colons, `initrd` is a file.

    `tries` 0 is never, `secret` "" none; `sign` is the command that signs its kernels, none where empty.
    """

    name: str
    mac: tuple[str, ...] = ()
    command_line: str = DEFAULT_COMMAND_LINE
    initrd: Path | None = None
    policy: Policy = "wait"
    tries: int = 0
    secret: str = field(default="", repr=False)
    sign: tuple[str, ...] = ()


def machines_folder() -> Path:
    """Give the folder of the machines' files."""
    return config_folder() / "machines"


def read_machines(folder: Path) -> tuple[Machine, ...]:
    """Read every machine's file. Raises InputError for one that is wrong, and for a card of two machines."""
    machines = tuple(read_machine(path) for path in sorted(folder.glob("*.toml")))
    for wrong in cards_of_two(machines):
        raise InputError(wrong)
    return machines


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
        raise InputError(f"{path}: a machine's name has 1 to 32 of a to z, 0 to 9 and -")
    try:
        with path.open("rb") as file:
            said = tomllib.loads(file.read(MAX_FILE_BYTES).decode())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:  # TOML's, or of the encoding
        raise InputError(f"{path}: {error}") from error
    except RecursionError as error:
        raise InputError(f"{path}: it is nested too deeply") from error
    return parse_machine(path, said)


def parse_machine(path: Path, said: Mapping[str, Any]) -> Machine:
    """Make a machine of what its file says. Raises InputError."""
    known = {"mac", "command_line", "initrd", "policy", "tries", "secret", "sign"}
    if unknown := sorted(said.keys() - known):
        raise InputError(f"{path}: {unknown[0]} is no setting; there are {', '.join(sorted(known))}")
    command_line, policy = said.get("command_line", DEFAULT_COMMAND_LINE), said.get("policy", "wait")
    if not isinstance(command_line, str):
        raise InputError(f"{path}: command_line is text")
    if policy not in get_args(Policy):
        raise InputError(f"{path}: policy is one of {', '.join(get_args(Policy))}")
    return Machine(
        name=path.stem,
        mac=_macs(path, said.get("mac", [])),
        command_line=command_line,
        initrd=_initrd(path, said.get("initrd")),
        policy=policy,
        tries=_tries(path, said.get("tries", 0)),
        secret=_secret(path, said.get("secret", "")),
        sign=_sign(path, said.get("sign", [])),
    )


def _tries(path: Path, said: object) -> int:
    if type(said) is not int or not 0 <= said < 1 << 20:
        raise InputError(f"{path}: tries is a number from 0, which is never, to 1048575")
    return said


def _secret(path: Path, said: object) -> str:
    if said == "" or (isinstance(said, str) and _SECRET.fullmatch(said)):
        return said
    raise InputError(f"{path}: secret is 32 of 0 to 9 and a to f; keepsane netboot setup --secret makes one")


def _sign(path: Path, said: object) -> tuple[str, ...]:
    if isinstance(said, list) and all(isinstance(word, str) for word in said):
        return tuple(said)
    raise InputError(f'{path}: sign is a list of words, with "{{kernel}}" and "{{signed}}" among them')


def _initrd(path: Path, said: object) -> Path | None:
    if said is None:
        return None
    if not isinstance(said, str) or not said or "\0" in said:
        raise InputError(f"{path}: initrd is the path of a file")
    try:
        return path.parent / Path(said).expanduser()
    except RuntimeError as error:  # there is no such user
        raise InputError(f"{path}: initrd is {said}, and there is no such home folder") from error


def card_address(said: str) -> str | None:
    """Give the address of a network card, lower-case with colons; None where it is none."""
    mac = said.lower().replace("-", ":")
    return mac if _MAC.fullmatch(mac) else None


def _macs(path: Path, said: object) -> tuple[str, ...]:
    listed = [said] if isinstance(said, str) else said
    if not isinstance(listed, list):
        raise InputError(f'{path}: mac is a list, ["52:54:00:12:34:56"]')
    macs = []
    for each in listed:
        mac = card_address(str(each))
        if mac is None:
            raise InputError(f"{path}: {each} is no address of a network card, as 52:54:00:12:34:56")
        macs.append(mac)
    return tuple(macs)
