# SPDX-License-Identifier: GPL-2.0-or-later
"""Colour and links for a terminal; what a log says reaches it only without its control characters."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

Tone = Literal["title", "error", "warning", "good", "function", "place", "source", "dim"]
Paint = Callable[[Tone, str], str]
"""Gives a piece of text the tone of its meaning; `plain` changes nothing."""

_STYLES: dict[Tone, str] = {
    "title": "bold",
    "error": "bold red",
    "warning": "yellow",
    "good": "green",
    "function": "cyan",
    "place": "magenta",
    "source": "default",
    "dim": "dim",
}
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])?")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    """Take escape sequences and control characters out of text from a log; a tab stays a tab."""
    return _CONTROL.sub("", _SEQUENCE.sub("", text))


def plain(tone: Tone, text: str) -> str:
    """Paint nothing: for files, pipes and NO_COLOR."""
    return text


def terminal(tone: Tone, text: str) -> str:
    """Paint with the terminal's own sixteen colours."""
    from rich.color import ColorSystem
    from rich.style import Style

    return Style.parse(_STYLES[tone]).render(text, color_system=ColorSystem.STANDARD)


def link(paint: Paint, text: str, path: str) -> str:
    """Make `text` a hyperlink to a local file where the output is a terminal that shows links."""
    if paint is plain or not path:
        return paint("place", text)
    return f"\x1b]8;;{Path(path).as_uri()}\x1b\\{paint('place', text)}\x1b]8;;\x1b\\"
