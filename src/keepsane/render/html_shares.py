# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of a whole as HTML: one stacked bar, and the table that says the same to who cannot see it."""

from __future__ import annotations

from keepsane.kernel.sizes import size_words
from keepsane.model import Share
from keepsane.render.html_element import Markup, element, joined, say
from keepsane.render.text_shares import percent_words

TONES = 8
"""So many colours the style sheet has; the last is for all parts beyond."""


def shares_element(shares: tuple[Share, ...]) -> Markup:
    """Give bar and table; nothing where there are no parts, or only empty ones."""
    whole = sum(share.kibibytes for share in shares)
    if whole <= 0:
        return Markup("")
    rows = joined(_row(share, whole, at) for at, share in enumerate(shares))
    return element(
        "div", _bar(shares, whole), element("div", element("table", rows), kind="wide"), kind="shares"
    )


def _bar(shares: tuple[Share, ...], whole: int) -> Markup:
    """Draw the parts side by side; the sizes are numbers made here, so nothing from a log becomes markup."""
    said = "; ".join(f"{share.name} {percent_words(share.kibibytes, whole)}" for share in shares)
    parts, left = [], 0.0
    for at, share in enumerate(shares):
        wide = 100 * max(share.kibibytes, 0) / whole
        hint = element("title", say(f"{share.name}: {size_words(share.kibibytes)}"))
        parts.append(_rect(at, left, wide, hint))
        left += wide
    return Markup(
        f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{say(said)}">'
        f"{joined(parts)}</svg>"
    )


def _rect(at: int, left: float, wide: float, inner: Markup) -> Markup:
    tone = min(at, TONES - 1)
    return Markup(
        f'<rect class="part{tone}" x="{left:.2f}" y="0" width="{wide:.2f}" height="10">{inner}</rect>'
    )


def _row(share: Share, whole: int, at: int) -> Markup:
    key = Markup(f'<svg viewBox="0 0 10 10" aria-hidden="true">{_rect(at, 0, 10, Markup(""))}</svg>')
    cells = (share.name, size_words(share.kibibytes), percent_words(share.kibibytes, whole), share.note)
    return element("tr", element("td", key), joined(element("td", say(cell)) for cell in cells))
