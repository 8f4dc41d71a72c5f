# SPDX-License-Identifier: GPL-2.0-or-later
"""Colour and links for a terminal: what keepsane.render.visible lets through, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from keepsane.render.elements import Tone

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


def plain(tone: Tone, text: str) -> str:
    """Paint nothing: for files, pipes and NO_COLOR."""
    return text


def terminal(tone: Tone, text: str) -> str:
    """Paint with the terminal's own sixteen colours; what has no tone stays as it is."""
    if not tone:
        return text
    from rich.color import ColorSystem
    from rich.style import Style

    return Style.parse(_STYLES[tone]).render(text, color_system=ColorSystem.STANDARD)


def link(paint: Paint, text: str, path: str) -> str:
    """Make `text` a hyperlink to a local file where the output is a terminal that shows links."""
    if paint is plain or not path.startswith("/"):
        return paint("place", text)
    return f"\x1b]8;;file://{quote(path)}\x1b\\{paint('place', text)}\x1b]8;;\x1b\\"
