# SPDX-License-Identifier: GPL-2.0-or-later
r"""
What a reader is given of text from anywhere: nothing that drives a terminal, and nothing that hides.

    clean         for people: escape sequences and control characters go, what hides is written out (`\u202e`)
    written       lines as one text: every text renderer ends here
    escaped       for a sentence about a file or an argument: nothing goes, all of it is written out
    escaped_json  for JSON, which is given as it was: the same, as JSON escapes characters

What hides is what has no shape of its own: the format characters of Unicode (direction marks, zero widths,
tags), its line and paragraph separators, what it calls default ignorable, and halves of surrogate pairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]{0,64}+[ -/]{0,16}+[@-~]|\][^\x07\x1b]{0,2000}+(?:\x07|\x1b\\)?|[@-Z\\^_])?"
)
_PAINTED = re.compile(r"(\x1b\[[0-9;]{0,32}+m|\x1b\]8;;[!-~]{0,2000}+\x1b\\)")
"""What keepsane.render.text.paint writes, and nothing else."""
_C0, _C1 = r"\x00-\x08\x0a-\x1f", r"\x7f-\x9f"
_HIDES = (
    r"\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    r"\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    r"\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e0fff"
)
_CONTROL = re.compile(f"[{_C0}{_C1}]")
_HIDING = re.compile(f"[{_HIDES}]")
_BOTH = re.compile(f"[{_C0}{_C1}{_HIDES}]")
_RAW_IN_JSON = re.compile(f"[{_C1}{_HIDES}]")
"""What JSON may hold as it is, and a terminal that shows it must not."""
_BYTES = re.compile("[\udc80-\udcff]{1,400}+")
"""How Python holds bytes of a path that the locale could not decode."""


def clean(text: str) -> str:
    """Take out what drives a terminal, write out what hides; a line feed is a blank, a tab stays a tab."""
    if _is_plain(text):
        return text
    text = _SEQUENCE.sub("", _decoded(text)).replace("\n", " ")
    return _HIDING.sub(_escape, _CONTROL.sub("", text))


def escaped(text: str) -> str:
    r"""Write out whatever drives a terminal or hides, as `\x1b` or `\u202e`."""
    return text if _is_plain(text) else _BOTH.sub(_escape, _decoded(text))


def escaped_json(document: str) -> str:
    """Write out what JSON allows and a terminal must not get; the document reads back as it was."""
    if document.isascii() and "\x7f" not in document:  # most are, and long
        return document
    return _RAW_IN_JSON.sub(_escape_json, document)


def written(lines: Iterable[str]) -> str:
    """Join lines, painted or not, to a text in which only the paint drives a terminal."""
    return "".join(f"{_line(line)}\n" for part in lines for line in part.split("\n"))


def _line(line: str) -> str:
    if _is_plain(line):
        return line
    parts = _PAINTED.split(line)
    parts[::2] = map(clean, parts[::2])
    return "".join(parts)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _decoded(text: str) -> str:
    """Read what the locale could not decode as UTF-8: `LC_ALL=C` must not change what a path is called."""
    return _BYTES.sub(_read, text)


def _read(found: re.Match[str]) -> str:
    return found[0].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escape_json(found: re.Match[str]) -> str:
    # JSON writes a character beyond 16 bits as two halves.
    code = ord(found[0])
    halves = (code,) if code < 0x10000 else (0xD7C0 + (code >> 10), 0xDC00 + (code & 0x3FF))
    return "".join(f"\\u{half:04x}" for half in halves)
