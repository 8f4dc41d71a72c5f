# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a test machine's own root needs, and what is lost without it.

The modules of a build travel in an archive that is gone once the root is mounted. The agent, a shell script
with two systemd units, mounts them where modprobe looks, tells the server what pstore kept of a crash, and
feeds the hardware watchdog. The generated initrd does the same by the same script before the root starts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.machine.machine import Machine
from keepsane.machine.settings import GENERATED
from keepsane.netboot.check import Check
from keepsane.netboot.initrd import ON_MACHINE

SCRIPT = "keepsane-agent"
PLACES = {
    SCRIPT: "/usr/local/sbin/keepsane-agent",
    "keepsane-agent-early.service": "/etc/systemd/system/keepsane-agent-early.service",
    "keepsane-agent.service": "/etc/systemd/system/keepsane-agent.service",
}
"""The files, and where they lie on the machine."""

_ROOT = re.compile(r"(?:^|\s)root=\S")


def agent_files() -> dict[str, str]:
    """Give the files by their names."""
    return {name: (ON_MACHINE / name).read_text("ascii") for name in PLACES}


def install_script() -> str:
    """Write one shell script that puts all of it in place, for `ssh root@machine sh`."""
    lines = ["#!/bin/sh", "# SPDX-License-Identifier: GPL-2.0-or-later", "set -eu", "umask 022"]
    for name, text in agent_files().items():
        # Quoted, so that nothing in it is the shell's; no line of ours is the mark.
        lines += [f"cat > {PLACES[name]} << 'KEEPSANE-END'", text.rstrip("\n"), "KEEPSANE-END"]
    units = " ".join(name for name in PLACES if name.endswith(".service"))
    return "\n".join((*lines, f"chmod 755 {PLACES[SCRIPT]}", f"systemctl enable {units}", ""))


def check_agent(machine: Machine, *, has_modules: bool) -> Iterator[Check]:
    """Say what a machine's own root does not get without the agent; `has_modules` is of its build."""
    if not _ROOT.search(machine.command_line):
        return
    name = machine.name
    if machine.initrd == GENERATED:
        yield Check(
            True, f"{name}: the generated initrd gives its root the modules, and posts what pstore kept"
        )
        return
    lost = ["what pstore kept of a crash", "a reset by the hardware watchdog"]
    if has_modules and machine.modules:
        lost.insert(0, "the modules of the build")
    yield Check(None, f"{name}: its root gets these by `keepsane netboot agent` alone: {', '.join(lost)}")
