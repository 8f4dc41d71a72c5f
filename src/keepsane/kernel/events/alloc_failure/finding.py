# SPDX-License-Identifier: GPL-2.0-or-later
"""A verdict of the ledger as a finding: the same form for each of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from keepsane.kernel.events.alloc_failure.failure import AllocFailure
from keepsane.kernel.events.alloc_failure.purpose import is_harmless, purpose
from keepsane.kernel.log.quote import quote, quote_head, quote_line
from keepsane.kernel.pages.ledger import Ledger, Verdict
from keepsane.kernel.pages.watermark import ZoneLedger
from keepsane.kernel.pages.zone import zone_name
from keepsane.report import Advice, Confidence, Evidence, Finding, Severity
from keepsane.words import counted

Adviser = Callable[[AllocFailure], Advice | None] | Advice
"""Advice as it stands, or sized from the numbers of the report."""
_SEVERITY: dict[str, Severity] = {
    "none": "note",
    "retried": "warning",
    "operation": "warning",
    "data": "error",
}
_NOT_KNOWN: dict[Verdict, Severity] = {"race": "note", "incomplete": "info"}
_REFERENCES = (
    "mm/page_alloc.c, __zone_watermark_ok()",
    "Documentation/admin-guide/sysctl/vm.rst",
)
_MAX_ZONES = 4
_RAM = re.compile(r"^\s*\d{1,15} pages (?:of )?RAM")
MARKS = re.compile(r"^.{0,120}?\bhigh: ?\d{1,20}kB")
"""The part of a zone's line that has what is free and the watermarks."""


def judged(event: AllocFailure, verdict: Verdict, title: str, *advisers: Adviser) -> Iterator[Finding]:
    """Give the finding of a verdict where it is the event's, with the advice that its numbers allow."""
    ledger = event.ledger
    if ledger is None or ledger.verdict != verdict:
        return
    sized = (adviser if isinstance(adviser, Advice) else adviser(event) for adviser in advisers)
    yield Finding(
        severity=_severity(event, verdict),
        confidence=_confidence(event, ledger),
        title=title
        + (f" ({zone_name(ledger.zone.zone)})" if ledger.zone and verdict != "incomplete" else ""),
        evidence=_evidence(event, ledger),
        explanation=_explanation(ledger),
        advice=() if is_harmless(event) else tuple(advice for advice in sized if advice is not None),
        references=_REFERENCES if verdict != "incomplete" else (),
    )


def _severity(event: AllocFailure, verdict: Verdict) -> Severity:
    if verdict in _NOT_KNOWN:
        return _NOT_KNOWN[verdict]
    if is_harmless(event):
        return "note"
    wanted = purpose(event)
    return _SEVERITY[wanted.harm] if wanted else "warning"


def _confidence(event: AllocFailure, ledger: Ledger) -> Confidence:
    if ledger.verdict == "incomplete":
        return "high"
    if event.damage or (event.gfp is not None and event.gfp.doubt):
        return "medium"
    return "medium" if ledger.zone is not None and ledger.zone.borderline else "high"


def _explanation(ledger: Ledger) -> str:
    said = [f"{ledger.why[:1].upper()}{ledger.why[1:]}."]
    # A race that is close says so itself.
    known = ledger.verdict not in ("incomplete", "race")
    if known and ledger.zone is not None and ledger.zone.borderline:
        said.append("It is close: the counters may lag by more than what is missing.")
    if ledger.part is not None and ledger.part != "zone-empty":
        said.append(f"What is printed would mean {ledger.part}, if the rest did not change it.")
    return " ".join(said)


def _evidence(event: AllocFailure, ledger: Ledger) -> tuple[Evidence, ...]:
    found = [quote_head(event, "what was asked for")]
    if ledger.verdict == "size-absurd":
        ram = quote(event, _RAM, "all memory there is") if event.size_bytes else None
        return (*found, ram) if ram else tuple(found)
    decides = [zone for zone in (ledger.zone, *ledger.zones) if zone is not None and zone.zone.line]
    for zone in dict.fromkeys(decides):
        quoted = quote_line(event, zone.zone.line, _note(zone, event), MARKS)
        if quoted is not None and (zone is ledger.zone or zone.outcome != "out-of-reach"):
            found.append(quoted)
    return tuple(found[: _MAX_ZONES + 1])


def _note(zone: ZoneLedger, event: AllocFailure) -> str:
    if event.size_bytes and zone.outcome == "passes":
        return f"{counted(zone.usable_pages, 'page')} of it can be used"
    if zone.left_pages is None or zone.needed_pages is None:
        return zone.why
    left = counted(zone.left_pages, "page") if zone.left_pages > 0 else "nothing"
    rest = f"{left} left for this request, {zone.needed_pages} needed"
    return rest if zone.outcome != "fragmentation" else zone.why
