# SPDX-License-Identifier: GPL-2.0-or-later
"""
The one place where advice becomes something to paste into a shell.

    command("echo {} > {}", 1073741824, "/sys/fs/cgroup/a;reboot/memory.max")
    echo 1073741824 > '/sys/fs/cgroup/a;reboot/memory.max'

A capture and a log are data, and whoever made them chose the names in them. Only whole numbers and names go
into a command, and each name is one word of it.
"""

from __future__ import annotations

import re
import shlex
from typing import LiteralString

MAX_NAME = 1024
UNIT = re.compile(r"[\w:@][\w.:@-]{0,200}+(?<=\.service|..\.scope|..\.slice)\Z", re.ASCII)
"""A unit of systemd at the end of a control group's path."""


def command(form: LiteralString, *words: int | str) -> str | None:
    """
    Fill each `{}` of a command with a whole number, or a name quoted for the shell.

    None where a name cannot be pasted as it is: it has a character that a terminal acts on or does not show,
    it would be read as an option, or as a path it leads up again. Then there is no command to give.
    """
    texts = [str(word) for word in words]
    if not all(map(_is_plain, texts)):
        return None
    return form.format(*map(shlex.quote, texts))


def _is_plain(word: str) -> bool:
    shown = word.isprintable() and 0 < len(word) <= MAX_NAME
    return shown and not word.startswith("-") and ".." not in word.split("/")
