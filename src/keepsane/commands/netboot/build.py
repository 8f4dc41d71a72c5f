# SPDX-License-Identifier: GPL-2.0-or-later
"""
Run make in a kernel tree; the machine that waits shows how far it is, and boots what was built.

What make writes is shown as it comes. Where it fails, the machine shows its first errors and goes on waiting.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from keepsane.commands.netboot.follow import follow, signals_interrupt
from keepsane.commands.netboot.install import send_build
from keepsane.commands.netboot.keep import gather_here, keep, keep_debug, snapshot_here
from keepsane.commands.netboot.machine import machine_or_none, offered_to_nobody
from keepsane.errors import HistoryError, InputError, KeepsaneError
from keepsane.machine.machine import Machine
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import History
from keepsane.netboot.install import ask_git
from keepsane.netboot.presence import presence_words
from keepsane.netboot.store import Build
from keepsane.render.visible import escaped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot build` takes."""
    parser.add_argument("--machine", metavar="NAME", help="the machine to build for")
    parser.add_argument("--to", metavar="HOST", help="publish on another machine, over ssh (KEEPSANE_SSH)")
    parser.add_argument("make", nargs="+", metavar="make", help="make and its arguments, behind --")


def run(arguments: argparse.Namespace) -> int:
    """Build, publish, offer. Gives make's exit code; raises InputError where there is no kernel then."""
    if host := arguments.to or os.environ.get("KEEPSANE_TO"):
        return _build_for(host, arguments)
    machine = machine_or_none(arguments.machine)
    if machine is None:
        return _build_for_nobody(arguments.make)
    with closing(History(netboot_folder())) as history, signals_interrupt():
        revision = ask_git(Path(), "log", "-1", "--format=%h %s")
        number = history.begin(machine.name, escaped(str(Path.cwd())), escaped(revision))
        try:
            build = _built(arguments.make, history, number, machine)
        except BaseException as problem:
            with suppress(HistoryError):  # what went wrong first is what is said
                history.fail(number, _said(problem))
            raise
    if isinstance(build, int):
        return build
    presence = presence_words(netboot_folder(), machine.name)
    sys.stdout.write(f"{machine.name} gets {build.release} {build.number} ({presence}): {build.id}\n")
    keep_debug(build)
    return 0


def _built(make: Sequence[str], history: History, number: int, machine: Machine) -> Build | int:
    """Give what is published and offered, make's exit code where it fails."""
    taken = snapshot_here()
    code, errors = follow(make, number)
    if code:
        history.fail(number, "\n".join(errors))
        return code
    with gather_here() as gathered:
        build = keep(gathered, machine, taken, made=True)
    try:
        history.publish(number, build.id)
    except HistoryError as error:
        raise HistoryError(f"{error}; then: keepsane netboot again {machine.name} {build.id}") from error
    return build


def _build_for_nobody(make: Sequence[str]) -> int:
    """Build and keep, where nothing says for which machine: a build of hours is not refused for that."""
    with signals_interrupt():
        taken = snapshot_here()
        code, _ = follow(make, None)
        if code:
            return code
        with gather_here() as gathered:
            build = keep(gathered, None, taken, made=True)
    sys.stdout.write(f"{build.release} {build.number} is kept, {offered_to_nobody(build.id)}\n")
    keep_debug(build)
    return 0


def _build_for(host: str, arguments: argparse.Namespace) -> int:
    """Build here, publish there; how far make is, is shown here alone."""
    with signals_interrupt():
        try:
            code = subprocess.run(arguments.make, stdin=subprocess.DEVNULL).returncode
        except (OSError, ValueError) as error:  # ValueError: a NUL in its name
            why = getattr(error, "strerror", None) or error
            raise InputError(f"cannot run {arguments.make[0]}: {why}") from error
        if code:
            return 1
        with gather_here() as gathered:
            return send_build(host, gathered, arguments.machine)


def _said(problem: BaseException) -> str:
    """Say on the machine's screen what the terminal says too."""
    match problem:
        case KeyboardInterrupt():
            return "it was interrupted"
        case KeepsaneError():
            return escaped(str(problem))
        case OSError():
            return f"keepsane cannot go on: {problem.strerror or problem}"
    return "keepsane could not go on"
