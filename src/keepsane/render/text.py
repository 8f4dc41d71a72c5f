# SPDX-License-Identifier: GPL-2.0-or-later
"""
A report as text, in the log's order: what contradicts the log first, then each event with its findings.

A pure function from a Report to a string; colour comes from the `paint` it is given.
"""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.model import Check, Event, Failure, Finding, Kernel, Report
from keepsane.render.paint import Paint, clean, plain
from keepsane.render.text_event import body_lines, head_lines
from keepsane.render.text_finding import finding_lines


def render_text(report: Report, paint: Paint = plain) -> str:
    """Write a report for a person."""
    return "\n".join(_lines(report, paint)) + "\n"


def _lines(report: Report, paint: Paint) -> Iterator[str]:
    yield _headline(report, paint)
    yield from _checks(report.checks, paint)
    left = list(report.findings)
    for event in report.events:
        yield ""
        about = [finding for finding in left if _concerns(finding, event)]
        left = [finding for finding in left if finding not in about]
        yield from head_lines(event, paint)
        for finding in about:
            yield from finding_lines(finding, paint)
        yield from body_lines(event, paint)
    for finding in left:
        yield from finding_lines(finding, paint)
    yield from _failures(report.failures, paint)
    yield from _counts(report)


def _concerns(finding: Finding, event: Event) -> bool:
    """Tell whether a finding stands with this event: its first quote is from there."""
    return event.line <= finding.evidence[0].line <= event.last_line


def _headline(report: Report, paint: Paint) -> str:
    count = len(report.events) + sum(len(event.again) for event in report.events)
    what = "nothing found" if count == 0 else "1 report" if count == 1 else f"{count} reports"
    return paint("title", f"{clean(report.source)}: {what}") + _kernel(report.kernel)


def _kernel(kernel: Kernel) -> str:
    if kernel.release is None:
        return ", which kernel wrote it is not said"
    version = f" {kernel.version}" if kernel.version else ""
    arch = f", {kernel.arch}" if kernel.arch else ""
    offset = f", KASLR offset {kernel.offset_bytes:#x}" if kernel.offset_bytes else ""
    build_id = f", build-id {kernel.build_id}" if kernel.build_id else ""
    return clean(f", Linux {kernel.release}{version}{arch}{offset}{build_id}")


def _checks(checks: tuple[Check, ...], paint: Paint) -> Iterator[str]:
    """A contradiction comes first and loud; then, file by file, what was compared and what could not be."""
    for check in checks:
        if check.outcome == "mismatch":
            yield paint("error", f"MISMATCH {clean(check.file)}: {check.name}: {clean(check.said)}")
    for file in dict.fromkeys(check.file for check in checks):
        mine = [check for check in checks if check.file == file]
        if any(check.outcome == "mismatch" for check in mine):
            yield paint("error", f"  {clean(file)} is not what ran here: no frame is decoded from it")
        else:
            yield from _agreement(file, mine, paint)


def _agreement(file: str, checks: list[Check], paint: Paint) -> Iterator[str]:
    proofs = [check for check in checks if check.outcome == "match"]
    proven = any(check.name != "function sizes" for check in proofs)
    verdict = "agrees with the log" if proven else "nothing contradicts it, and nothing proves it"
    yield paint("good" if proven else "warning", f"  {clean(file)}: {verdict}")
    for check in proofs:
        yield f"    {check.name + ':':<16}{clean(check.said)}"
    missing = ", ".join(dict.fromkeys(check.name for check in checks if check.outcome == "not possible"))
    if missing:
        yield paint("dim", f"    could not be compared: {missing}")


def _failures(failures: tuple[Failure, ...], paint: Paint) -> Iterator[str]:
    if failures:
        yield ""
    for failure in failures:
        yield paint("warning", f"{clean(failure.what)}: ") + clean(failure.why)


def _counts(report: Report) -> Iterator[str]:
    if report.unread_lines:
        inside = f"{report.unread_lines} line{'s' if report.unread_lines > 1 else ''} inside the reports"
        yield ""
        yield f"{inside} could not be read; {report.skipped_lines} outside belong to none"
