# SPDX-License-Identifier: GPL-2.0-or-later
"""A diagnosis of a machine's memory as one HTML page: the verdict, the numbers, what was ruled out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from keepsane.render.html.element import Markup, details, element, joined, rows, say, span
from keepsane.render.html.finding import finding_element
from keepsane.render.html.page import page
from keepsane.render.html.style import PLOT_STYLE, STYLE
from keepsane.render.words import SHOWN_WHOLE, ruled_out_words, verdict_words
from keepsane.report import CounterChange, Finding, Report, Verified
from keepsane.words import said_rate


def render_memory_html(report: Report, *, plots: Iterable[Markup] = ()) -> str:
    """Write a diagnosis as a page that is complete in itself; `plots` stand below the findings."""
    title = f"{report.source}: {verdict_words(report)}"
    return page(title, _parts(report, title, joined(plots)), STYLE + PLOT_STYLE)


def _parts(report: Report, title: str, plots: Markup) -> Iterator[Markup]:
    release = f"Linux {report.kernel.release}" if report.kernel.release else "which kernel it was is not said"
    yield element("header", element("h1", say(title)), element("p", say(release)))
    notes = [("note", note) for note in report.notes]
    yield element("article", element("h2", say("What it looks like")), rows([*report.facts, *notes]))
    if report.verified:
        shown = joined(map(_verified, report.verified))
        yield element("article", element("h2", say("What the change did")), shown)
    whole, rest = report.findings[:SHOWN_WHOLE], report.findings[SHOWN_WHOLE:]
    if whole:
        heading = element("h2", say("What was found"))
        yield element("article", heading, joined(map(finding_element, whole)), _others(rest))
    yield plots
    yield _listed("Ruled out", ruled_out_words(report))
    yield _listed("Cannot tell", [(one.what.removeprefix("rule "), one.why) for one in report.failures])
    yield element("footer", element("p", say(f"Written by keepsane, report schema {report.schema}.")))


def _verified(one: Verified) -> Markup:
    tone = "good" if one.outcome == "gone" else "doubt"
    heading = element("h3", span(tone, one.outcome), say(f": {one.rule}"))
    return element("section", heading, element("p", say(one.why)), rows(map(_change, one.counters)))


def _change(counter: CounterChange) -> tuple[str, str]:
    rates = (counter.before_per_second, counter.after_per_second)
    before, after = ("not known" if rate is None else said_rate(rate) for rate in rates)
    return counter.name, f"{before} per second before, {after} now"


def _others(rest: Iterable[Finding]) -> Markup:
    shown = joined(details(say(one.title), finding_element(one), kind="part") for one in rest)
    return element("section", element("h3", say("Also seen")), shown) if shown else shown


def _listed(title: str, pairs: list[tuple[str, str]]) -> Markup:
    if not pairs:
        return Markup("")
    return element("article", element("h2", say(title)), rows(pairs))
