# SPDX-License-Identifier: GPL-2.0-or-later
"""
A report as text, in the log's order: what contradicts the log first, then each event with its findings.

A pure function from a Report to a string; colour comes from the `paint` it is given.
"""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.render.cleaned import cleaned
from keepsane.render.text.event import body_lines, head_lines
from keepsane.render.text.finding import finding_lines
from keepsane.render.text.paint import Paint, plain
from keepsane.render.visible import written
from keepsane.render.words import count_words, file_words, kernel_words, proven, unread_words
from keepsane.report import Check, Failure, Finding, Report


def render_text(report: Report, paint: Paint = plain) -> str:
    """Write a report for a person."""
    return written(_lines(cleaned(report), paint))


def _lines(report: Report, paint: Paint) -> Iterator[str]:
    yield _headline(report, paint)
    if len(report.boots) > 1:
        for number, kernel in enumerate(report.boots, 1):
            yield f"  boot {number}: {kernel_words(kernel)}"
    yield from _checks(report, paint)
    about = findings_by_event(report)
    for event in report.events:
        yield ""
        yield from head_lines(event, paint)
        for finding in about.pop(event.line, ()):
            yield from finding_lines(finding, paint)
        yield from body_lines(event, paint)
    for finding in about.pop(None, ()):
        yield from finding_lines(finding, paint)
    yield from _failures(report.failures, paint)
    yield from _counts(report)


def findings_by_event(report: Report) -> dict[int | None, list[Finding]]:
    """
    Give the findings of each event under its first line, those of no event under None.

    A finding belongs to the event that holds the line it quotes first: events of several contexts overlap.
    """
    owner = {record.line: event.line for event in report.events for record in event.records}
    found: dict[int | None, list[Finding]] = {}
    for finding in report.findings:
        found.setdefault(owner.get(finding.evidence[0].line), []).append(finding)
    return found


def _headline(report: Report, paint: Paint) -> str:
    what = paint("title", f"{report.source}: {count_words(report)}")
    return f"{what}, {kernel_words(report.kernel)}"


def _checks(report: Report, paint: Paint) -> Iterator[str]:
    """A contradiction comes first and loud; then, file by file, what was compared and what could not be."""
    files: dict[str, list[Check]] = {}
    for check in report.checks:
        files.setdefault(file_words(report, check), []).append(check)
    for file, checks in files.items():
        for check in checks:
            if check.outcome == "mismatch":
                yield paint("error", f"MISMATCH {file}: {check.name}: {check.said}")
    for file, checks in files.items():
        if any(check.outcome == "mismatch" for check in checks):
            yield paint("error", f"  {file} is not what ran here: no frame is decoded from it")
        else:
            yield from _agreement(file, checks, paint)


def _agreement(file: str, checks: list[Check], paint: Paint) -> Iterator[str]:
    proofs = [check for check in checks if check.outcome == "match"]
    is_proven = proven(checks)
    verdict = "agrees with the log" if is_proven else "nothing contradicts it, and nothing proves it"
    yield paint("good" if is_proven else "warning", f"  {file}: {verdict}")
    for check in proofs:
        yield f"    {check.name + ':':<16}{check.said}"
    missing = ", ".join(dict.fromkeys(check.name for check in checks if check.outcome == "not possible"))
    if missing:
        yield paint("dim", f"    could not be compared: {missing}")


def _failures(failures: tuple[Failure, ...], paint: Paint) -> Iterator[str]:
    if failures:
        yield ""
    for failure in failures:
        yield paint("warning", f"{failure.what}: ") + failure.why


def _counts(report: Report) -> Iterator[str]:
    if report.unread_lines:
        yield ""
        yield unread_words(report)
