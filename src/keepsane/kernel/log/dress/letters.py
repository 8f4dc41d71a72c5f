# SPDX-License-Identifier: GPL-2.0-or-later
r"""
Letters that a page, a terminal or a mail put in place of the kernel's own.

    BUG:\u00a0KASAN                     a space that does not break
    \x1b[33mBUG: \x1b[0m                colours of a terminal (ECMA-48, CSI)
    prev-&gt;next should be ...<br>     HTML
"""

from __future__ import annotations

import re

_LETTERS = str.maketrans(
    {
        **dict.fromkeys("\u00a0\u2007\u2009\u202f\u3000", " "),
        **dict.fromkeys("\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"),
    }
)
_ESCAPE = re.compile(r"\x1b(?:\[[0-9;:?]{0,32}[@-~]|[()][0-9A-B]|[=>78cDEHM])")
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#\d{1,6}|#x[0-9A-Fa-f]{1,5});")
_TAG = re.compile(r"</?(?:br|p|pre|code|span|div|li|td|tr|font|tt|b|i|a)(?: [^<>]{0,100}| ?/)?>")
_MAX_LAYERS = 4
MAX_CHARACTERS = 1 << 14
"""A longer line is no line of a page or a terminal: only timestamps are looked for in it."""


def spaced(text: str) -> str:
    """Give a line with the spaces and letters that a keyboard has; its length may only shrink."""
    return text if text.isascii() or len(text) > MAX_CHARACTERS else text.translate(_LETTERS)


def is_html(text: str) -> bool:
    """Say whether a line has something that only HTML has."""
    return "<br" in text or ("&" in text and _ENTITY.search(text) is not None)


def unescaped(text: str) -> str:
    """Undo one layer of HTML."""
    if not is_html(text):
        return text
    # Imported here: most logs are no page, and its table of names costs milliseconds.
    from html import unescape

    return spaced(unescape(_TAG.sub("", text)))


def plain(text: str) -> str:
    """Undo what is left of colours and of layers of HTML."""
    for _ in range(_MAX_LAYERS):
        if len(text) > MAX_CHARACTERS or not is_html(text):
            break
        text = unescaped(text)
    return _ESCAPE.sub("", text) if "\x1b" in text and len(text) <= MAX_CHARACTERS else text
