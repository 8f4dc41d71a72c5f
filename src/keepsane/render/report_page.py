# SPDX-License-Identifier: GPL-2.0-or-later
"""
A report as a page: a log's in the log's order, what contradicts it first; a machine's with the verdict first.

A pure function from a Report to its elements, made as they are asked for. Every text in them is clean.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from keepsane.render.cleaned import cleaned
from keepsane.render.digest import Digest, Shown, digest
from keepsane.render.elements import (
    Fact,
    Facts,
    Line,
    Page,
    Part,
    Piece,
    Pieces,
    Run,
    Section,
    Tone,
    facts,
    line,
    section,
)
from keepsane.render.event_page import event_section, titled_section
from keepsane.render.words import count_words, kernel_words, unread_words, verdict_words
from keepsane.report import (
    Advice,
    Check,
    Confidence,
    Evidence,
    Failure,
    Finding,
    Report,
    RuledOut,
    Severity,
    Share,
    Verified,
)
from keepsane.words import counted, rate_words, size_words

_TONES: dict[Severity, Tone] = {"error": "error", "warning": "warning", "note": "title", "info": "dim"}
_EVERY_REBUILD = frozenset({"function sizes", "release"})
_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note", "info")
_CONFIDENCES: tuple[Confidence, ...] = ("high", "medium", "low")
MOST_BOOTS, MOST_FAILURES = 3, 2
"""What a brief page has of boots and of what could not be done; the rest is counted."""
SHOWN_WHOLE = 3
"""Of a machine's memory one verdict and two findings beside it are shown whole; of the rest the title."""


def page_of(report: Report, *, brief: bool = False) -> Page:
    """
    Give the page of a log or, where the report is about one, of a machine's memory.

    `brief`: of a log equal events are given once, and what only followed from another by its title.
    """
    report = cleaned(report)
    if report.state is not None:
        return Page(f"{report.source}: {verdict_words(report)}", "", tuple(_machine(report)))
    title = f"{report.source}: {count_words(report)}"
    about = _findings_by_event(report)
    loose = about.pop(None, [])
    everything = (Shown(event, about.get(event.line, ())) for event in report.events)
    shown, more = digest(report.events, about) if brief else Digest(list(everything))
    return Page(
        title,
        kernel_words(report.kernel) if report.events or report.kernel.release else "",
        tuple(_before(report, brief=brief)),
        (_event(one, boot=len(report.boots) > 1) for one in shown),
        tuple(_after(report, loose, brief=brief)),
        sum(not one.titled for one in shown),
        tuple(_folded(shown, more)),
    )


def _folded(shown: list[Shown], more: int) -> Iterator[Line]:
    """Say that there is more about events than is shown."""
    titled, alike = sum(one.titled for one in shown), sum(len(one.alike) for one in shown)
    said = [f"{counted(titled, 'report')} by title only"] if titled else []
    said += [f"{counted(alike, 'report like another', 'reports like others')} only counted"] if alike else []
    said += [f"{counted(more, 'further report')} only counted"] if more else []
    if said:
        yield line("folded-away", f"{', '.join(said)}: --all shows them whole", "dim")


def _event(shown: Shown, *, boot: bool) -> Section:
    found = map(finding_section, sorted(shown.findings, key=_weight))
    if shown.titled:
        return titled_section(shown.event, found, alike=shown.alike)
    return event_section(shown.event, found, boot=boot, alike=shown.alike)


def _weight(finding: Finding) -> tuple[int, int]:
    """Give what to sort findings of one event by: the gravest first, the surest of them first."""
    return _SEVERITIES.index(finding.severity), _CONFIDENCES.index(finding.confidence)


def _before(report: Report, *, brief: bool) -> Iterator[Part]:
    if len(report.boots) > 1:
        rows = [(f"boot {at}", kernel_words(boot)) for at, boot in enumerate(report.boots, 1)]
        yield from facts("boots", *(_few(rows) if brief else rows))
    if report.notes:
        yield Facts("notes", tuple(Fact("note", note, "warning") for note in report.notes))
    checks = tuple(_checks(report))
    files = [part for part in checks if isinstance(part, Section)]
    for part in checks:
        yield replace(part, folded=True) if brief and len(files) > 1 and isinstance(part, Section) else part


def _few(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Give the first and the last of many rows."""
    more = len(rows) - MOST_BOOTS
    if more <= 0:
        return rows
    return [*rows[: MOST_BOOTS - 1], ("...", f"{counted(more, 'more boot')}: --all"), rows[-1]]


def _after(report: Report, loose: list[Finding], *, brief: bool) -> Iterator[Part]:
    if loose:
        yield section("loose", "About the whole log", "", *map(finding_section, loose))
    yield from _ruled_out(report.ruled_out)
    if report.failures:
        yield section("failures", "What could not be done", "", *_failures(report.failures, brief=brief))
    yield line("unread" if report.unread_lines else "more", unread_words(report))


def _failures(failures: tuple[Failure, ...], *, brief: bool) -> Iterator[Line]:
    shown = failures[:MOST_FAILURES] if brief else failures
    for failure in shown:
        yield Line("failure", (Run(f"{failure.what}: ", "warning"), Run(failure.why)))
    if more := len(failures) - len(shown):
        yield line("failure", f"{more} more that could not be done or told: --all", "dim")


def _machine(report: Report) -> Iterator[Part]:
    said = [Fact("kernel", f"Linux {report.kernel.release}")] if report.kernel.release else []
    said += [Fact(fact.name, fact.said) for fact in report.facts]
    yield Facts("machine", (*said, *(Fact("note", note, "warning") for note in report.notes)))
    yield from map(_verified, report.verified)
    yield from map(finding_section, report.findings[:SHOWN_WHOLE])
    for finding in report.findings[SHOWN_WHOLE:]:
        head = line("also", f"{finding.title}  [{finding.rule}]")
        yield Section(head, (finding_section(finding),), folded=True)
    yield from _ruled_out(report.ruled_out)
    yield from _because(
        "cannot tell",
        [(failure.rule or failure.what, failure.lacks or failure.why) for failure in report.failures],
    )


def finding_section(finding: Finding) -> Section:
    """Give one finding with every field it has."""
    sure = "" if finding.confidence == "high" else f" ({finding.confidence} confidence)"
    head = Run(f"{finding.title}{sure}", _TONES[finding.severity]), Run(f"  [{finding.rule}]", "dim")
    return Section(Line("finding", head), tuple(_reasons(finding)))


def _reasons(finding: Finding) -> Iterator[Part]:
    yield line("explanation", finding.explanation)
    if finding.shares:
        yield pieces_of(finding.shares)
    yield from map(_quote, finding.evidence)
    for advice in finding.advice:
        yield line("advice", advice.text)
        yield from _steps(advice)
    for reference in finding.references:
        yield line("reference", reference, "dim")
    yield line("more", f"{finding.severity}, {finding.confidence} confidence", "dim")


def pieces_of(shares: tuple[Share, ...]) -> Pieces:
    """Give the parts of a memory with their sizes in words."""
    return Pieces(
        tuple(Piece(share.name, share.kibibytes, size_words(share.kibibytes), share.note) for share in shares)
    )


def _quote(evidence: Evidence) -> Line:
    where = f"{evidence.file} line {evidence.line}" if evidence.file else f"line {evidence.line}"
    note = f"   ({evidence.note})" if evidence.note else ""
    return Line("quote", (Run(f"{where}: ", "dim"), Run(evidence.quote.strip()), Run(note, "dim")))


def _steps(advice: Advice) -> Iterator[Facts]:
    commands = (("run", advice.command), ("undo", advice.undo), ("verify", advice.verify))
    said = [Fact("needs", "root")] if advice.as_root and advice.command else []
    said += [Fact(name, text, "function") for name, text in commands if text]
    said += [Fact("risk", advice.risk)] if advice.risk else []
    if said:
        yield Facts("steps", tuple(said))


def _findings_by_event(report: Report) -> dict[int | None, list[Finding]]:
    """
    Give the findings of each event under its first line, those of no event under None.

    A finding belongs to the event that holds the line it quotes first: events of several contexts overlap.
    """
    owner = {record.line: event.line for event in report.events for record in event.records}
    found: dict[int | None, list[Finding]] = {}
    for finding in report.findings:
        found.setdefault(owner.get(finding.evidence[0].line), []).append(finding)
    return found


def _checks(report: Report) -> Iterator[Part]:
    """A contradiction comes first and loud; then, file by file, what was compared and what could not be."""
    files: dict[str, list[Check]] = {}
    for check in report.checks:
        name = check.file + (f" (boot {check.boot})" if len(report.boots) > 1 else "")
        files.setdefault(name, []).append(check)
    for file, checks in files.items():
        for check in checks:
            if check.outcome == "mismatch":
                yield line("alarm", f"MISMATCH {file}: {check.name}: {check.said}", "error")
    for file, checks in files.items():
        yield Section(_agreement(file, checks), tuple(_compared(checks)))


def _agreement(file: str, checks: list[Check]) -> Line:
    if any(check.outcome == "mismatch" for check in checks):
        return line("file", f"{file} is not what ran here: no frame is decoded from it", "error")
    # A match shows this very build, but every rebuild has the release, and most of the sizes.
    if any(check.outcome == "match" and check.name not in _EVERY_REBUILD for check in checks):
        return line("file", f"{file}: agrees with the log", "good")
    return line("file", f"{file}: nothing contradicts it, and nothing proves it", "warning")


def _compared(checks: list[Check]) -> Iterator[Part]:
    refuted = any(check.outcome == "mismatch" for check in checks)
    matches = ((check.name, check.said) for check in checks if check.outcome == "match")
    others = [(check.name, check.said) for check in checks if check.outcome == "not possible"]
    yield from facts("more" if refuted else "compared", *matches)
    if others and not refuted:
        yield line("absent", f"could not be compared: {', '.join(dict(others))}", "dim")
    yield from facts("more", *others)


def _ruled_out(ruled_out: tuple[RuledOut, ...]) -> Iterator[Section]:
    """Say what was ruled out with the reason; rules that have one reason stand together."""
    rules: dict[str, list[str]] = {}
    for ruled in ruled_out:
        rules.setdefault(ruled.why, []).append(ruled.rule)
    yield from _because("ruled out", [(", ".join(names), why) for why, names in rules.items()])


def _because(title: str, rows: list[tuple[str, str]]) -> Iterator[Section]:
    if rows:
        yield section("list", title, "title", *facts("because", *rows))


def _verified(one: Verified) -> Section:
    """Say what became of an earlier finding, and how its counters moved."""
    moved = []
    for counter in one.counters:
        before, after = (
            "not known" if rate is None else rate_words(rate)
            for rate in (counter.before_per_second, counter.after_per_second)
        )
        moved.append((counter.name, f"{before} per second before, {after} now"))
    tone: Tone = "good" if one.outcome == "gone" else "warning"
    why = line("explanation", one.why)
    return section("verified", f"{one.outcome}: {one.rule}", tone, why, *facts("counters", *moved))
