# SPDX-License-Identifier: GPL-2.0-or-later
"""A diagnosis of a machine's memory as text: the verdict, what else was seen, what was ruled out."""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.render.cleaned import cleaned
from keepsane.render.text.finding import finding_lines, paragraph
from keepsane.render.text.paint import Paint, Tone, plain
from keepsane.render.visible import written
from keepsane.render.words import SHOWN_WHOLE, ruled_out_words, verdict_words
from keepsane.report import Report, Verified
from keepsane.words import said_rate


def render_memory_text(report: Report, paint: Paint = plain) -> str:
    """Write a diagnosis for a person."""
    return written(_lines(cleaned(report), paint))


def _lines(report: Report, paint: Paint) -> Iterator[str]:
    yield paint("title", f"{report.source}: {verdict_words(report)}")
    if report.kernel.release:
        yield paragraph(f"Linux {report.kernel.release}", "  kernel      ")
    for fact in report.facts:
        yield paragraph(fact.said, f"  {fact.name:<12}")
    for note in report.notes:
        yield paint("warning", paragraph(note, "  note        "))
    for one in report.verified:
        yield from _verified(one, paint)
    for finding in report.findings[:SHOWN_WHOLE]:
        yield from finding_lines(finding, paint)
    for finding in report.findings[SHOWN_WHOLE:]:
        yield paragraph(f"{finding.title}  [{finding.rule}]", "  also: ")
    yield from _listed("  ruled out", ruled_out_words(report), paint)
    unknown = [
        (one.what.removeprefix("rule "), one.why.removeprefix("cannot tell: ")) for one in report.failures
    ]
    yield from _listed("  cannot tell", unknown, paint)


def _verified(one: Verified, paint: Paint) -> Iterator[str]:
    """Write what became of an earlier finding, and how its counters moved."""
    tone: Tone = "good" if one.outcome == "gone" else "warning"
    yield ""
    yield paint(tone, f"  {one.outcome}: {one.rule}")
    yield paragraph(one.why, "     ")
    for counter in one.counters:
        before, after = (
            "not known" if rate is None else said_rate(rate)
            for rate in (counter.before_per_second, counter.after_per_second)
        )
        yield f"     {counter.name}: {before} per second before, {after} now"


def _listed(title: str, rows: list[tuple[str, str]], paint: Paint) -> Iterator[str]:
    if rows:
        yield ""
        yield paint("title", title)
    for name, why in rows:
        yield paragraph(why, f"    {name}: ", "      ")
