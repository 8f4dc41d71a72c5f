# SPDX-License-Identifier: GPL-2.0-or-later
"""
A build sent to the `keepsane-install --receive` of another machine.

    ssh build-server "keepsane-install --receive"

`KEEPSANE_SSH` says another command and its options, as GIT_SSH_COMMAND does for git: `ssh -p 2222`.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from typing import BinaryIO, cast

from keepsane.errors import InputError
from keepsane.netboot.install import Gathered
from keepsane.netboot.remote import send
from keepsane.netboot.run_limited import last_line

RECEIVE = "keepsane-install --receive"
_HOST = re.compile(r"[A-Za-z0-9_\[][A-Za-z0-9_.@:\[\]%-]{0,254}")
_MAX_ANSWER_BYTES = 16 << 10
_NOT_FOUND, _SSH_FAILED = 127, 255


def ssh_words(host: str, environment: Mapping[str, str]) -> list[str]:
    """Give the command that runs RECEIVE on a host. Raises InputError for what is no name of one."""
    if _HOST.fullmatch(host) is None:
        raise InputError(f"{host} is no name of a host, as build-server or dave@192.168.1.5")
    try:
        words = shlex.split(environment.get("KEEPSANE_SSH", "")) or ["ssh"]
    except ValueError as error:
        raise InputError(f"KEEPSANE_SSH is no command: {error}") from error
    return [*words, host, RECEIVE]


def send_to(words: list[str], gathered: Gathered, machine: str) -> str:
    """
    Send a build through a command, and give what the other side answered.

    Raises InputError where it did not take the build, with the last line it said.
    """
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as answer:
        try:
            ran = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=answer, stderr=said)
        except OSError as error:
            raise InputError(f"cannot run {words[0]}: {error.strerror or error}") from error
        with ran, suppress(BrokenPipeError):  # it went away: its code says why
            send(cast(BinaryIO, ran.stdin), gathered, machine)
        if ran.returncode:
            raise InputError(f"{words[-2]} did not take the build{_why(ran.returncode)}{last_line(said)}")
        answer.seek(0)
        return answer.read(_MAX_ANSWER_BYTES).decode("utf-8", "replace")


def _why(code: int) -> str:
    if code == _NOT_FOUND:
        return ", there is no keepsane-install in the PATH of its ssh"
    return ", ssh found no way to it" if code == _SSH_FAILED else ""
