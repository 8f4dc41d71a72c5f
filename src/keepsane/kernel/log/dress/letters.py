# SPDX-License-Identifier: GPL-2.0-or-later
r"""
Letters that a page, a terminal or a mail put in place of the kernel's own.

    BUG:\u00a0KASAN                     a space that does not break
    kobject_add+0\u00d783/0xd7          a times sign, as blogs write an x between digits
    Oops\uff1a 0002                     letters as wide as those of Chinese text
    2.6.38\u20138-generic, \u201cnull\u201d      dashes and quotes of a word processor
    Oops[#1]:\u240d\u240a                 line ends made visible by a terminal program
    \x1b[33mBUG: \x1b[0m                colours of a terminal (ECMA-48, CSI)
    prev-&gt;next should be ...<br>     HTML
    kernel: #012but task is already     a line feed within a message, as rsyslog escapes it
"""

from __future__ import annotations

import re

REPLACED: dict[str, str | None] = {
    **dict.fromkeys("\u00a0\u2007\u2009\u202f\u3000", " "),
    **dict.fromkeys("\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u2400\u240a\u240d\u2424"),
    **{chr(wide): chr(wide - 0xFEE0) for wide in range(0xFF01, 0xFF5F)},
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"),
    **dict.fromkeys("\u2018\u2019\u2032", "'"),
    **dict.fromkeys("\u201c\u201d\u2033", '"'),
    "\u00d7": "x",
}
"""Letters that stand for those of a keyboard, or for nothing."""
_LETTERS = str.maketrans(REPLACED)
_ESCAPE = re.compile(r"\x1b(?:\[[0-9;:?]{0,32}[@-~]|[()][0-9A-B]|[=>78cDEHM])")
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#\d{1,6}|#x[0-9A-Fa-f]{1,5});")
_TAG = re.compile(r"</?(?:br|p|pre|code|span|div|li|td|tr|font|tt|b|i|a)(?: [^<>]{0,100}| ?/)?>")
_MAX_LAYERS = 4
_PAD = re.compile(r"[^\s:]( {40,1000}+)(?=\S)")
_PADDED_WIDTHS = (80, 100, 120, 132, 160)
MAX_CHARACTERS = 1 << 14
"""A longer line is no line of a page or a terminal: only timestamps are looked for in it."""


def spaced(text: str) -> str:
    """Give a line with the spaces and letters that a keyboard has; its length may only shrink."""
    return text if text.isascii() or len(text) > MAX_CHARACTERS else text.translate(_LETTERS)


def escaped_lines(text: str) -> tuple[str, ...]:
    r"""
    Undo the escapes of a logger: each line of a message is one again, behind the front of the first.

    Accepted format:
        May  5 12:00:01 host kernel: [   71.123456] #012but task is already holding lock:
    `#012` is a line feed, `#011` a tab; only behind the kernel's name, where a logger stands.
    Source: rsyslog's $EscapeControlCharactersOnReceive.
    """
    front = _LOGGED.match(text) if "#01" in text and len(text) <= MAX_CHARACTERS else None
    if front is None:
        return (text,)
    said = _LINE_FEED.split(_TAB.sub("\t", text[front.end() :]))
    return tuple(front[0] + one for one in said if one.strip()) or (front[0],)


_LOGGED = re.compile(r".{0,200}?\bkernel(?:\[\d{1,20}\])?: ?(?:\[ {0,8}\d{1,11}\.\d{1,9}\] ?)?")
_LINE_FEED, _TAB = re.compile(r"#012(?!\d)"), re.compile(r"#011(?!\d)")


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


def unpadded(text: str) -> str:
    """
    Join the rows of a terminal that were copied as one line, each filled up with spaces.

    A row that fills a terminal of 80 columns was cut inside a word; one of 79 had a space at its end.
    """
    found = _PAD.search(text) if _PADDING in text else None
    if found is None:
        return text
    filled, step = found.start(1), found.end()
    rows = [text[at : at + step].rstrip() for at in range(0, len(text), step)]
    width = next((width for width in _PADDED_WIDTHS if width - 1 <= filled <= width), None)
    if width is None or max(map(len, rows)) > width:
        return text
    return "".join(row.ljust(width) for row in rows).rstrip()


_PADDING = " " * 40


def plain(text: str) -> str:
    """Undo what is left of colours, of layers of HTML and of a wide terminal."""
    for _ in range(_MAX_LAYERS):
        if len(text) > MAX_CHARACTERS or not is_html(text):
            break
        text = unescaped(text)
    if len(text) > MAX_CHARACTERS:
        return text
    return unpadded(_ESCAPE.sub("", text) if "\x1b" in text else text)
