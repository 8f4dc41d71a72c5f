# SPDX-License-Identifier: GPL-2.0-or-later
"""HTML elements from values: only `say` turns text into markup, and it cleans and escapes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import NewType

from keepsane.render.visible import clean

Markup = NewType("Markup", str)
"""Text that is safe in a page; the type checker refuses a plain str in its place."""

_ADDRESS = re.compile(r"https?://\S+")


def say(text: str) -> Markup:
    """Make text from anywhere safe: nothing in it drives or hides, `<`, `&` and quotes are escaped."""
    return Markup(escape(clean(text)))


def joined(parts: Iterable[Markup]) -> Markup:
    """Put elements one after another."""
    return Markup("".join(parts))


def element(name: str, *inner: Markup, kind: str = "", title: str = "", anchor: str = "") -> Markup:
    """Give `<name>inner</name>`; `kind` is its class, `title` its hint, `anchor` its id."""
    attributes = (("id", anchor), ("class", kind), ("title", title))
    written = "".join(f' {key}="{say(value)}"' for key, value in attributes if value)
    return Markup(f"<{name}{written}>{''.join(inner)}</{name}>")


def span(kind: str, text: str, title: str = "") -> Markup:
    """Give a run of text with a class."""
    return element("span", say(text), kind=kind, title=title)


def details(summary: Markup, *inner: Markup, kind: str = "", unfolded: bool = False) -> Markup:
    """Give what opens and closes, by mouse and by keyboard, without a script."""
    opened = " open" if unfolded else ""
    body = element("div", *inner, kind="body")
    return Markup(f'<details class="{say(kind)}"{opened}><summary>{summary}</summary>{body}</details>')


def reference(text: str) -> Markup:
    """Give a reference, as a link where it is an address and nothing else."""
    shown = say(text)
    if _ADDRESS.fullmatch(clean(text)) is None:
        return shown
    return Markup(f'<a href="{shown}" rel="noreferrer">{shown}</a>')


def rows(pairs: Iterable[tuple[str, str]], kind: str = "") -> Markup:
    """Give names and what they say as a list; a line break in the text begins a new line."""
    return element("dl", joined(_row(name, text) for name, text in pairs), kind=kind)


def _row(name: str, text: str) -> Markup:
    lines = joined(element("div", say(line)) for line in text.split("\n") if text)
    return joined((element("dt", say(name)), element("dd", lines)))
