# SPDX-License-Identifier: GPL-2.0-or-later
"""
Whether `make install` comes to keepsane, or falls through to what writes /boot, with an exit code of 0.

    for file in "${HOME}/bin/${INSTALLKERNEL}" "/sbin/${INSTALLKERNEL}" "${srctree}/arch/.../install.sh"

Kbuild takes the first that can be run, and says nothing. The Makefile sets INSTALLKERNEL itself: a value from
the environment does not count, make's command line and MAKEFLAGS do. Source: scripts/install.sh and Makefile
of Linux 6.1 and 6.12.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from keepsane.netboot.check import Check

HOOK = "keepsane-install"
KBUILDS_OWN = "installkernel"
"""The name that Kbuild looks for where nobody names another."""

_IN_MAKEFLAGS = re.compile(r"(?:^|\s)INSTALLKERNEL=(?P<name>\S{0,4096})")


def check_hook(home: Path, environment: Mapping[str, str], system: Path = Path("/sbin")) -> Iterator[Check]:
    """Look at what make would run of these: in the user's ~/bin, and behind it."""
    if environment.get("SUDO_USER") and home.owner() == "root":
        yield Check(
            False,
            f"under sudo, make install looks in {home}/bin, not in that of {environment['SUDO_USER']}: "
            "run it without sudo, it needs no right",
        )
    yield from _hook(home)
    yield from _names(environment)
    own = home / "bin" / KBUILDS_OWN
    if os.access(system / KBUILDS_OWN, os.X_OK) and not os.access(own, os.X_OK):
        yield Check(
            None,
            f"a bare make install runs {system / KBUILDS_OWN}, which writes to /boot; link {HOOK} to {own}",
        )


def _hook(home: Path) -> Iterator[Check]:
    for name in (HOOK, KBUILDS_OWN):
        hook = home / "bin" / name
        if os.access(hook, os.X_OK):
            if hook.resolve().name == HOOK:
                more = f" INSTALLKERNEL={name}" if name == HOOK else ""
                yield Check(True, f"{hook} is there: make install{more}")
                return
            yield Check(None, f"{hook} is no link to {HOOK}: make install may run it instead")
        elif hook.is_symlink() or hook.exists():
            yield Check(False, f"{hook} is there and cannot be run: make install would write to /boot")
            return
    yield Check(
        None, "make install does not come here; keepsane netboot build does, or: netboot setup --hook TREE"
    )


def _names(environment: Mapping[str, str]) -> Iterator[Check]:
    """Look at the names that make is given."""
    flags = _IN_MAKEFLAGS.search(environment.get("MAKEFLAGS", ""))
    if flags is not None and "/" in flags["name"]:
        yield Check(
            False,
            f"MAKEFLAGS names {flags['name']}: Kbuild looks for it below ~/bin and /sbin, and goes on "
            f"without it; name {HOOK}, without a path",
        )
    elif environment.get("INSTALLKERNEL") and flags is None:
        yield Check(
            False,
            f"INSTALLKERNEL={environment['INSTALLKERNEL']} in the environment does not count for Kbuild: "
            f"export MAKEFLAGS=INSTALLKERNEL={HOOK}",
        )
