# SPDX-License-Identifier: GPL-2.0-or-later
"""A finding as HTML: what, how sure, why, the lines that show it, what to do."""

from __future__ import annotations

from keepsane.model import Advice, Evidence, Finding
from keepsane.render.html_element import Markup, element, joined, reference, rows, say, span
from keepsane.render.html_shares import shares_element
from keepsane.render.text_finding import where_words


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
