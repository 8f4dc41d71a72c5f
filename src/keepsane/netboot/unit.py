# SPDX-License-Identifier: GPL-2.0-or-later
"""
The unit that keeps `keepsane netboot serve` running for a user of systemd.

    [Service]
    ExecStart=/usr/bin/python3 -m keepsane.cli netboot serve --address 192.168.1.5 --port 8069

It is hardened with what an unprivileged manager can do everywhere: nothing of it needs a mount namespace,
which many systems refuse to users. Source: systemd.service(5), systemd.exec(5), systemd.syntax(7), as of 252.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from keepsane.errors import InputError

NAME = "keepsane-netboot.service"

_UNIT = """\
# Written by `keepsane netboot service`. It runs while you are logged in; `loginctl enable-linger` keeps it.
[Unit]
Description=keepsane: test machines that wait for a kernel
# The address may come up after this: it tries until it is there.
StartLimitIntervalSec=0

[Service]
ExecStart={command}
{environment}Restart=on-failure
RestartSec=5
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
LimitNOFILE=4096

[Install]
WantedBy=default.target
"""
_SPECIAL = re.compile(r'["\\]')


def write_unit(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Write the unit. Raises InputError for a word that no unit can hold."""
    lines = "".join(f"Environment={unit_word(f'{name}={value}')}\n" for name, value in environment.items())
    words = " ".join(unit_word(word).replace("$", "$$") for word in command)
    return _UNIT.format(command=words, environment=lines)


def unit_word(word: str) -> str:
    """
    Quote a word for a line of a unit.

    >>> unit_word("/home/dave/a b"), unit_word("100%"), unit_word("plain")
    ('"/home/dave/a b"', '"100%%"', 'plain')
    """
    if not word.isprintable():
        raise InputError(f"{word!a} cannot stand in a unit of systemd: it has letters that are not printed")
    if re.fullmatch(r"[\w./:=@+-]+", word, re.ASCII):
        return word
    escaped = _SPECIAL.sub(r"\\\g<0>", word).replace("%", "%%")
    return f'"{escaped}"'
