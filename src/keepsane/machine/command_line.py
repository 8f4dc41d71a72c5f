# SPDX-License-Identifier: GPL-2.0-or-later
"""
A kernel's command line: what it may hold.

    console=ttyS0,115200 panic=10 ip=${net0/ip}::${net0/gateway}:${net0/netmask}

`${...}` stands for what iPXE knows of the machine, and only these of its settings may be named: a setting
can be set by a DHCP server, and what iPXE does not know becomes nothing, silently.
"""

from __future__ import annotations

import re

MAX_COMMAND_LINE_BYTES = 2047
"""COMMAND_LINE_SIZE of x86 without its end (arch/x86/include/asm/setup.h)."""
SETTINGS = ("net0/ip", "net0/gateway", "net0/netmask", "net0/mac:hexhyp", "uuid", "platform")
"""What a command line may name as `${...}`; iPXE puts the machine's own value there."""
SETTING = re.compile(r"\$\{(" + "|".join(map(re.escape, SETTINGS)) + r")\}")

_HIDDEN = re.compile(r"[^ -~]")


def check_command_line(command_line: str) -> str | None:
    """Say what is wrong with a command line, None where it can be booted."""
    size = len(command_line.encode("utf-8", "surrogateescape"))
    if size > MAX_COMMAND_LINE_BYTES:
        return f"it has {size} bytes, and the kernel takes {MAX_COMMAND_LINE_BYTES}"
    if _HIDDEN.search(command_line):
        return "it has letters that are no printable ASCII"
    rest = SETTING.sub("", command_line)
    if "${" in rest:
        known = ", ".join(f"${{{name}}}" for name in SETTINGS)
        return f"it names a setting that is none of {known}"
    return None
