# SPDX-License-Identifier: GPL-2.0-or-later
"""
The hook of `make install`, linked into ~/bin and proved in a kernel tree.

make runs with an INSTALL_PATH of its own and a KEEPSANE_HOME of its own: neither /boot nor a machine gets
anything of it. Its exit code says nothing, since Kbuild falls through in silence: the receipt does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from keepsane.errors import InputError, OutputError
from keepsane.machine.machine import machines_folder
from keepsane.netboot.folder import NETBOOT
from keepsane.netboot.hook import HOOK, KBUILDS_OWN, check_hook
from keepsane.netboot.store import Build, Store
from keepsane.render.visible import escaped

_SECONDS = 600
_LAST_LINES = 5


def prove_hook(tree: Path) -> int:
    """Link the hook, run `make install`, and say whether it came here; 1 where not. Raises InputError."""
    if not (tree / "Makefile").is_file():
        raise InputError(f"{tree} is no kernel tree: it has no Makefile; name one that is built")
    was_there = os.path.lexists(Path.home() / "bin" / HOOK)
    hook = _linked()
    code = 1
    try:
        code = _proved(tree, hook)
    finally:
        if code and not was_there:
            hook.unlink(missing_ok=True)
            sys.stdout.write(f"{escaped(str(hook))} is taken back\n")
    return code


def _proved(tree: Path, hook: Path) -> int:
    with tempfile.TemporaryDirectory(prefix="keepsane-hook-") as scratch:
        ran = _run_make(tree, Path(scratch))
        builds = Store(Path(scratch) / "home" / NETBOOT).builds()
        fell = sorted(path.name for path in (Path(scratch) / "boot").iterdir())
    if not builds:
        return _failed(ran, hook, fell)
    _say_what_works(builds[0], hook)
    return 0


def _linked() -> Path:
    """Give the link in ~/bin, made where it is not there. Raises InputError and OutputError."""
    if (user := os.environ.get("SUDO_USER")) and os.geteuid() == 0:
        raise InputError(f"under sudo, ~ is {Path.home()}: run it as {user}, make install needs no right")
    program = Path(sys.executable).parent / HOOK
    if not program.is_file():
        raise InputError(f"there is no {program}; install keepsane anew")
    hook = Path.home() / "bin" / HOOK
    if hook.exists() and hook.resolve() != program.resolve():
        raise InputError(f"{hook} is another program; remove it, or see what it is")
    try:
        hook.parent.mkdir(exist_ok=True)
        if not hook.exists():
            hook.unlink(missing_ok=True)  # a link that leads nowhere
            hook.symlink_to(program)
            sys.stdout.write(f"linked {escaped(str(hook))} to {escaped(str(program))}\n")
    except OSError as error:
        raise OutputError(f"cannot link {hook}: {error.strerror or error}") from error
    return hook


def _run_make(tree: Path, scratch: Path) -> subprocess.CompletedProcess[str]:
    boot, home = scratch / "boot", scratch / "home"
    boot.mkdir()
    home.mkdir()
    # The same machines, for the tree may name one, and its file the command that signs.
    (home / machines_folder().name).symlink_to(machines_folder())
    # What is published for the proof goes to no other machine.
    environment = {name: value for name, value in os.environ.items() if name != "KEEPSANE_TO"}
    make = shutil.which("make")
    if make is None:
        raise InputError("there is no make here; apt install make")
    command = (make, "install", f"INSTALLKERNEL={HOOK}", f"INSTALL_PATH={boot}")
    try:
        return subprocess.run(
            command,
            cwd=tree,
            env={**environment, "KEEPSANE_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"make install took more than {_SECONDS // 60} minutes; is {tree} built?") from None


def _failed(ran: subprocess.CompletedProcess[str], hook: Path, fell: list[str]) -> int:
    """Say what came instead of a receipt."""
    if fell:
        sys.stdout.write(
            f"red   make install did not come to {escaped(str(hook))}: something else wrote "
            f"{escaped(', '.join(fell))}, in /boot the next time\n"
        )
    else:
        sys.stdout.write(f"red   make install ended with {ran.returncode}, and nothing was published\n")
    sys.stdout.writelines(f"      {escaped(line)}\n" for line in ran.stdout.splitlines()[-_LAST_LINES:])
    return 1


def _say_what_works(build: Build, hook: Path) -> None:
    own = escaped(str(hook.with_name(KBUILDS_OWN)))
    sys.stdout.write(
        f"ok    make install comes here: the receipt says {escaped(build.release)} {build.number}\n"
        "type one of these; what was published for the proof is gone again:\n"
        f"  make install INSTALLKERNEL={HOOK} INSTALL_PATH=/tmp\n"
        f"  export MAKEFLAGS=INSTALLKERNEL={HOOK}, then: make install INSTALL_PATH=/tmp\n"
        f"  ln -s {HOOK} {own}, then: make install INSTALL_PATH=/tmp\n"
        "INSTALLKERNEL in the environment does not count, nor does a name with a path\n"
    )
    for check in check_hook(Path.home(), os.environ):
        if not check.ok:
            sys.stdout.write(f"{escaped(check.line())}\n")
