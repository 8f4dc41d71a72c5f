# SPDX-License-Identifier: GPL-2.0-or-later
"""
A boot, and what became of it.

    provisional    the machine took every byte; nothing was heard since
    running        its console shows this boot's id
    back           it asks anew: crashed or not, it has ended
    refused        iPXE could not start it, and says why: Secure Boot, too little memory, no kernel
    void           iPXE says that bytes got lost: it counts as not booted, and is offered again
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Outcome = Literal["provisional", "running", "back", "refused", "void"]


class BootFile(NamedTuple):
    """A file of a boot: when its first byte and its last went out."""

    name: str
    size_bytes: int
    first_seconds: float
    last_seconds: float


class Boot(NamedTuple):
    """
    A boot of a build: a machine took every file of it.

    `nonce` is its id, which stands on the kernel's command line as `keepsane.boot=`. `offer` is None for one
    that nobody offered: a choice of the menu, or the good kernel for a `cause`. Times are seconds since 1970;
    `asked_seconds` is the machine's first poll, `script_seconds` that of the script that boots.
    """

    nonce: str
    machine: str
    build: str
    offer: int | None
    command_line: str
    address: str
    taken_seconds: float
    back_seconds: float | None = None
    outcome: Outcome = "provisional"
    why: str = ""
    cause: str = ""
    asked_seconds: float | None = None
    script_seconds: float | None = None
    marked_seconds: float | None = None
    log: str = ""
    verdict: str = ""
    posted_bytes: int | None = None
    number: int = 0


COLUMNS = ", ".join((*Boot._fields[:-1], "rowid"))
"""What a query selects for a Boot: its number is the row's."""


def outcome_words(boot: Boot) -> str:
    """Say what became of a boot, in one line."""
    match boot.outcome:
        case "provisional":
            return "has not come back"
        case "running":
            return "runs, its console says so"
        case "back":
            after = (boot.back_seconds or boot.taken_seconds) - boot.taken_seconds
            return f"came back after {after:.0f} s"
        case "refused":
            return f"was not started: {boot.why}"
    return f"lost bytes, offered again: {boot.why}"


def cause_words(cause: str) -> str:
    """Say for what a good kernel was booted, "" for what is none of that."""
    what, _, which = cause.partition(" ")
    match what:
        case "making":
            return f"the good kernel, since build run {which} failed"
        case "boot":
            return f"the good kernel, since boot {which[:8]} did not get as far as its mark"
    return ""
