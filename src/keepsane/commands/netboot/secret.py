# SPDX-License-Identifier: GPL-2.0-or-later
"""The secret of a machine, made and written into its file where it has none."""

from __future__ import annotations

import sys

from keepsane.machine.machine import Machine, machines_folder
from keepsane.machine.secret import add_secret, new_secret
from keepsane.render.visible import escaped


def secret_of(machine: Machine, *, make: bool) -> str:
    """Give its secret, "" where it has none and none is to be made. Raises InputError and OutputError."""
    if machine.secret or not make:
        return machine.secret
    path = machines_folder() / f"{machine.name}.toml"
    secret = new_secret()
    add_secret(path, secret)
    sys.stdout.write(
        f"{machine.name} has a secret now, in {escaped(str(path))}: it gets nothing until it starts with the "
        "first.ipxe written here\n"
    )
    return secret
