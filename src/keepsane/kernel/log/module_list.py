# SPDX-License-Identifier: GPL-2.0-or-later
"""
The list of loaded modules, read word by word.

    Modules linked in: nfnetlink 8021q garp crashme(OE) [last unloaded: ipmi_devintf]
     drm_shmem_helper fuse                                    a console or logger that folds long lines

Source: kernel/module/main.c, print_modules(). A name may begin with a digit;
a word of 8 or 16 hexadecimal digits is of a stack that follows.
"""

from __future__ import annotations

import re
from typing import NamedTuple

LISTED = "Modules linked in:"
_UNLOADED = "[last unloaded"
_WORD = re.compile(
    r"(?!(?:[0-9a-f]{8}){1,2}\Z)(?P<name>\w[\w-]{0,63})(?:\((?P<flags>[A-Z+-]{0,12})\))?", re.ASCII
)


class ListedModule(NamedTuple):
    """A module's name and the letters that stand behind it: `O`, from outside the tree, `E`, unsigned."""

    name: str
    flags: str


def listed_modules(text: str) -> list[ListedModule]:
    """Give the modules that a line of the list names; what is no name is passed over."""
    found = map(_WORD.fullmatch, _words(text))
    return [ListedModule(word["name"], word["flags"] or "") for word in found if word is not None]


def continues_list(text: str) -> bool:
    """Tell whether a line goes on with the list: it is indented, and every word of it is a module."""
    words = _words(text)
    return text[:1].isspace() and (bool(words) or _UNLOADED in text) and all(map(_WORD.fullmatch, words))


def _words(text: str) -> list[str]:
    return text.removeprefix(LISTED).partition(_UNLOADED)[0].split()
