# SPDX-License-Identifier: GPL-2.0-or-later
"""Which build is meant: its id, or the number of a boot, as `keepsane netboot history` shows both."""

from __future__ import annotations

import re

from keepsane.errors import InputError
from keepsane.netboot.boot import Boot
from keepsane.netboot.history import History
from keepsane.netboot.store import Build, Store

_NUMBER = re.compile(r"#?(\d{1,15})", re.ASCII)


def named_build(said: str, store: Store, history: History) -> Build:
    """Give a build. Raises InputError where there is none of that id or number."""
    boot = named_boot(said, history)
    name = said if boot is None else boot.build
    if history.knows(name) and not store.is_there(name):
        raise InputError(f"{name} was removed by prune")
    return store.build(name)


def named_boot(said: str, history: History) -> Boot | None:
    """Give a boot by its number, None for what is no number. Raises InputError where there is none."""
    number = _NUMBER.fullmatch(said)
    if number is None:
        return None
    boot = history.boot(int(number[1]))
    if boot is None:
        raise InputError(f"there is no boot {said}; `keepsane netboot history` lists them")
    return boot
