# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a machine shows while it waits.

    keepsane: test-box waits for the kernel of ~/linux
    1f3a9c02 usb: mend the reset
    building for 42 s, about 30 s left
    CC      fs/ext4/inode.o
"""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.netboot.boot import Boot
from keepsane.netboot.history import Making
from keepsane.netboot.store import Build

_MAX_ERRORS = 14
"""The most lines of errors: a screen of 25 has a title and a line for the keys too."""


def screen(
    machine: str, making: Making | None, now_seconds: float, usual_seconds: float | None, last: str
) -> list[str]:
    """
    Give the lines, the title first; iPXE shows as many as a screen of 80 columns and 25 lines has.

    `last` is `last_words` of what the machine booted last.
    """
    return [*_body(machine, making, now_seconds, usual_seconds, last), "", "Ctrl-C: menu"]


def last_words(boot: Boot | None, build: Build | None) -> str:
    """Say what became of a machine's last kernel; `build` is None where it is not kept any more."""
    kernel = "its last kernel" if build is None else f"its last kernel {build.release} {build.number}"
    match None if boot is None else boot.outcome:
        case "refused":
            return f"{kernel} was refused"
        case "void":
            return f"{kernel} got lost on the way"
    return f"{kernel} was booted"


def _body(
    machine: str, making: Making | None, now_seconds: float, usual_seconds: float | None, last: str
) -> Iterator[str]:
    if making is None:
        yield f"keepsane: {machine} waits, nothing is being built for it"
        yield "keepsane netboot build -- make -j8   in a kernel tree, to build for it"
        return
    yield f"keepsane: {machine} waits for the kernel of {making.tree}"
    if making.revision:
        yield making.revision
    if making.was_killed:
        yield "the build was killed; its last line was:"
        yield making.line
    elif making.state == "running":
        yield _elapsed(max(0.0, now_seconds - making.began_seconds), usual_seconds)
        yield making.line
    elif making.state == "failed":
        yield "the build failed:"
        yield from making.errors.splitlines()[:_MAX_ERRORS]
    else:
        yield f"{last};"
        yield "the next build boots by itself"


def _elapsed(seconds: float, usual_seconds: float | None) -> str:
    said = f"building for {seconds:.0f} s"
    if usual_seconds is None:
        return said
    rest = usual_seconds - seconds
    return f"{said}, about {rest:.0f} s left" if rest > 0 else f"{said}, {-rest:.0f} s longer than usual"
