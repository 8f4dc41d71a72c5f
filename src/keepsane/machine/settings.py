# SPDX-License-Identifier: GPL-2.0-or-later
"""
The settings of a machine's file, each checked by one function.

    tries = -1      test-box.toml: tries is -1; write a number from 0, which is never, to 1048575

A function takes what TOML gives and returns the value, or raises ValueError with what is wrong and what to
write instead; the file is named by whoever called.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal, get_args

from keepsane.machine.command_line import check_command_line

Policy = Literal["wait", "last-good"]
GENERATED: Final = "generated"
"""The initrd that keepsane makes; a file of that name is written `./generated`."""
BUSYBOX: Final = Path("/bin/busybox")
"""Of Debian's package busybox-static."""
Initrd = Path | Literal["generated"] | None
MAX_MARK, MAX_WORDS, MAX_WORD = 200, 100, 4096
MAX_MARK_SECONDS = 86_400

_SECRET = re.compile(r"[0-9a-f]{32}")
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_SHOWN = 60
"""So much of a wrong value is repeated."""


def shown(said: object) -> str:
    """Write a wrong value as it is repeated: short, whatever it is."""
    try:
        text = repr(said)
    except (RecursionError, ValueError):  # ValueError: a number too long to be written
        text = f"a {type(said).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def command_line(said: object) -> str:
    """Read what the kernel gets."""
    if not isinstance(said, str):
        raise ValueError(f'is {shown(said)}; write text, as "console=ttyS0,115200 panic=10"')
    if wrong := check_command_line(said):
        raise ValueError(f"cannot be booted: {wrong}")
    return said


def policy(said: object) -> Policy:
    """Read what the machine gets where there is nothing new."""
    for known in get_args(Policy):
        if said == known:
            return known  # type: ignore[no-any-return]
    raise ValueError(f"is {shown(said)}; write one of {', '.join(get_args(Policy))}")


def number(said: object, least: int, most: int, meaning: str = "") -> int:
    """Read a whole number within limits."""
    if type(said) is not int or not least <= said <= most:
        raise ValueError(f"is {shown(said)}; write a number from {least}{meaning} to {most}")
    return said


def secret(said: object) -> str:
    """Read what the machine proves itself with; it is not repeated."""
    if said == "" or (isinstance(said, str) and _SECRET.fullmatch(said)):
        return said
    raise ValueError("is no secret; write 32 of 0 to 9 and a to f: keepsane netboot setup --secret makes one")


def text(said: object, example: str) -> str:
    """Read a line of text that is not empty."""
    if isinstance(said, str) and 0 < len(said) <= MAX_MARK and said.isprintable():
        return said
    raise ValueError(f"is {shown(said)}; write a line of at most {MAX_MARK} letters, as {example}")


def truth(said: object) -> bool:
    """Read yes or no."""
    if isinstance(said, bool):
        return said
    raise ValueError(f"is {shown(said)}; write true or false")


def words(said: object, *, holds: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Read a command as a list of its words; `holds` is what must stand in one of them. No shell reads it."""
    needed = " and ".join(f'"{each}"' for each in holds)
    wanted = f'write a list of words{f" with {needed} among them" if holds else ""}, as ["ssh", "test-box"]'
    if not isinstance(said, list) or not all(isinstance(word, str) for word in said):
        raise ValueError(f"is {shown(said)}; {wanted}")
    if len(said) > MAX_WORDS or any(len(word) > MAX_WORD or "\0" in word for word in said):
        raise ValueError(f"has a NUL, or more than {MAX_WORDS} words of {MAX_WORD} letters; {wanted}")
    if said and (not said[0] or not all(any(each in word for word in said) for each in holds)):
        raise ValueError(f"is {shown(said)}; {wanted}")
    return tuple(said)


def initrd(said: object, folder: Path) -> Initrd:
    """Read which initrd it gets; a path that does not begin at the root begins at `folder`."""
    if said == GENERATED:
        return GENERATED
    return file_path(said, folder, f', or "{GENERATED}", or leave it out')


def file_path(said: object, folder: Path, otherwise: str = "") -> Path:
    """Read the path of a file; one that does not begin at the root begins at `folder`."""
    if not isinstance(said, str) or not said or not said.isprintable():
        raise ValueError(f"is {shown(said)}; write the path of a file{otherwise}")
    try:
        return folder / Path(said).expanduser()
    except RuntimeError as error:
        raise ValueError(
            f"is {shown(said)}, and there is no such home folder; write the whole path"
        ) from error


def card_address(said: str) -> str | None:
    """Give the address of a network card, lower-case with colons; None where it is none."""
    mac = said.lower().replace("-", ":")
    return mac if _MAC.fullmatch(mac) else None


def macs(said: object) -> tuple[str, ...]:
    """Read the addresses of its network cards, a list or a single one."""
    listed = [said] if isinstance(said, str) else said
    if not isinstance(listed, list) or len(listed) > MAX_WORDS:
        raise ValueError(f'is {shown(said)}; write a list, as ["52:54:00:12:34:56"]')
    found = []
    for each in listed:
        mac = card_address(each) if isinstance(each, str) else None
        if mac is None:
            raise ValueError(
                f"has {shown(each)}, no address of a network card; write it as 52:54:00:12:34:56"
            )
        found.append(mac)
    return tuple(found)
