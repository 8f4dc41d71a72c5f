# SPDX-License-Identifier: GPL-2.0-or-later
"""Which machine is meant: --machine, KEEPSANE_MACHINE, the tree's keepsane.machine, the only one there is."""

from __future__ import annotations

import os
from pathlib import Path

from keepsane.errors import InputError
from keepsane.machine.machine import (
    Machine,
    machine_file,
    machine_files,
    machines_folder,
    read_all,
    read_machine,
)
from keepsane.netboot.install import ask_git


def chosen_machine(name: str | None) -> Machine:
    """Give the machine that is meant. Raises InputError where none is, or there is none of that name."""
    machine = machine_or_none(name)
    if machine is None:
        known = ", ".join(known.name for known in read_all(machines_folder())[0])
        there = f"there are {known}" if known else "there is none, describe one: keepsane netboot edit NAME"
        raise InputError(f"which machine? --machine NAME says it; {there}")
    return machine


def machine_or_none(name: str | None) -> Machine | None:
    """The same; None where nothing says which of several. Raises InputError for a name that is none's."""
    machines, wrong = read_all(machines_folder())
    meant = meant_name(name)
    if not meant:
        for said in wrong:
            raise InputError(said)
        return machines[0] if len(machines) == 1 else None
    found = next((machine for machine in machines if machine.name == meant), None)
    if found is None:
        if (path := machine_file(meant)) in machine_files(machines_folder()):
            read_machine(path)  # it says what is wrong
        raise InputError(f"no machine is called {meant}; describe it: keepsane netboot edit {meant}")
    return found


def offered_to_nobody(build: str) -> str:
    """Say that nothing told for which machine a build is, and what to type."""
    known = [machine.name for machine in read_all(machines_folder())[0]]
    which = f", one of {', '.join(known)}" if known else "; describe one: keepsane netboot edit NAME"
    return f"offered to no machine: keepsane netboot again MACHINE {build}{which}"


def meant_name(name: str | None) -> str:
    """Give the name of the machine that is meant, "" where nothing says one; it may be none's."""
    return name or os.environ.get("KEEPSANE_MACHINE") or ask_git(Path(), "config", "keepsane.machine")
