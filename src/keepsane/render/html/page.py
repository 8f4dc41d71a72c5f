# SPDX-License-Identifier: GPL-2.0-or-later
"""
A report as one HTML file: no script, nothing loaded from anywhere, opens and closes by itself.

A pure function from a Report to a page; a policy in the page forbids whatever a log might smuggle in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from keepsane.model import Event
from keepsane.render.html.element import Markup, details, element, joined, rows, say, span
from keepsane.render.html.event import event_element
from keepsane.render.html.finding import finding_element
from keepsane.render.html.style import STYLE
from keepsane.render.text.report import findings_by_event
from keepsane.render.words import count_words, file_words, kernel_words, proven, unread_words
from keepsane.report import Check, Failure, Finding, Report

HEAD = (
    '<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="referrer" content="no-referrer">'
)
_MARKS = (
    ("ip", "the instruction that was executing"),
    ("?", "lay on the stack; the kernel is not sure that it belongs to the path"),
    ("+", "not in the log: a tail call removed it, it was put back from the caller's bytes"),
    ("number", "the line of the log"),
)


def render_html(report: Report) -> str:
    """
    Write a report as a page that is complete in itself.

    Everything a log says is escaped; escape sequences and control characters are removed from it.
    """
    return page(f"{report.source}: {count_words(report)}", _parts(report))


def page(title: str, parts: Iterable[Markup], style: str = STYLE) -> str:
    """Give a whole page from its parts, with the policy that every page has."""
    head = element("head", Markup(HEAD), element("title", say(title)), element("style", Markup(style)))
    main = element("main", joined(parts))
    return f'<!DOCTYPE html>\n<html lang="en">{head}\n<body>{main}</body></html>\n'


def _parts(report: Report) -> Iterator[Markup]:
    heading = element("h1", say(f"{report.source}: {count_words(report)}"))
    kernels = element("p", say(kernel_words(report.kernel)))
    if len(report.boots) > 1:
        told = ((f"boot {number}", kernel_words(boot)) for number, boot in enumerate(report.boots, 1))
        kernels = rows(told)
    yield element("header", heading, kernels)
    yield from _checks(report)
    yield _contents(report)
    about = findings_by_event(report)
    for event in report.events:
        yield event_element(event, about.pop(event.line, ()), boot=len(report.boots) > 1)
    yield _loose(about.pop(None, []))
    yield _failures(report.failures)
    yield _footer(report)


def _checks(report: Report) -> Iterator[Markup]:
    """A contradiction comes first and loud; then, file by file, what was compared and what could not be."""
    files: dict[str, list[Check]] = {}
    for check in report.checks:
        files.setdefault(file_words(report, check), []).append(check)
    wrong = [file for file, mine in files.items() if any(check.outcome == "mismatch" for check in mine)]
    for file in wrong:
        heading = element("h2", say(f"MISMATCH {file}"))
        what = element("p", say("This is not what ran here: no frame is decoded from it."))
        yield element("section", heading, what, _compared(files[file]), kind="mismatch")
    agreeing = joined(_agreement(file, mine) for file, mine in files.items() if file not in wrong)
    if agreeing:
        yield element("section", agreeing, kind="checks")


def _agreement(file: str, checks: list[Check]) -> Markup:
    sure = proven(checks)
    verdict = "agrees with the log" if sure else "nothing contradicts it, and nothing proves it"
    summary = joined((say(f"{file}: "), span("good" if sure else "doubt", verdict)))
    return details(summary, _compared(checks), kind="part")


def _compared(checks: list[Check]) -> Markup:
    return rows((f"{check.name} ({check.outcome})", check.said) for check in checks)


def _contents(report: Report) -> Markup:
    """List the events, where there is more than one, with a link to each."""
    if len(report.events) < 2:
        return Markup("")
    return element("nav", element("ul", joined(map(_entry, report.events))))


def _entry(event: Event) -> Markup:
    link = f'<a href="#event-{event.line}">{say(event.title)}</a>'
    return element("li", Markup(link), span("dim", f" line {event.line}"))


def _loose(findings: list[Finding]) -> Markup:
    if not findings:
        return Markup("")
    heading = element("h2", say("About the whole log"))
    return element("section", heading, joined(map(finding_element, findings)), kind="loose")


def _failures(failures: tuple[Failure, ...]) -> Markup:
    if not failures:
        return Markup("")
    heading = element("h2", say("What could not be done"))
    return element("section", heading, rows((one.what, one.why) for one in failures), kind="failures")


def _footer(report: Report) -> Markup:
    marks = details(say("What the marks mean"), rows(_MARKS), kind="part")
    counts = f"{unread_words(report)}. Written by keepsane, report schema {report.schema}."
    return element("footer", marks, element("p", say(counts)))
