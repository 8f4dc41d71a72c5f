# SPDX-License-Identifier: GPL-2.0-or-later
"""A finding as HTML: what, how sure, why, the lines that show it, what to do."""

from __future__ import annotations

from keepsane.render.html.element import Markup, element, joined, reference, rows, say, span
from keepsane.render.text.finding import percent_words, where_words
from keepsane.report import Advice, Evidence, Finding, Share
from keepsane.words import size_words


def finding_element(finding: Finding) -> Markup:
    """Give one finding with every field it has."""
    title = element("h3", span("severity", finding.severity), say(f" {finding.title}"))
    sure = say(f"{finding.confidence} confidence, rule ") + element("code", say(finding.rule))
    seen = element("ul", joined(map(_evidence, finding.evidence)), kind="evidence")
    advice = joined(map(_advice, finding.advice))
    see = joined(
        element("li", say("see "), reference(reference_text)) for reference_text in finding.references
    )
    return element(
        "section",
        title,
        element("p", say(finding.explanation)),
        shares_element(finding.shares),
        seen,
        advice,
        element("ul", see, kind="references") if see else see,
        element("p", Markup(sure), kind="dim"),
        kind=f"finding {finding.severity}",
    )


def _evidence(evidence: Evidence) -> Markup:
    note = span("dim", f" {evidence.note}") if evidence.note else Markup("")
    return element(
        "li", span("dim", f"{where_words(evidence)} "), element("code", say(evidence.quote.strip())), note
    )


def _advice(advice: Advice) -> Markup:
    parts = (("run", advice.command), ("undo", advice.undo), ("verify", advice.verify), ("risk", advice.risk))
    steps = [(name, text) for name, text in parts if text]
    return element(
        "div",
        element("p", element("strong", say("What to do: ")), say(advice.text)),
        rows(steps) if steps else Markup(""),
        kind="advice",
    )


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
