# SPDX-License-Identifier: GPL-2.0-or-later
"""A log cut behind one of its lines: what is said of it must also be said of the whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from keepsane.api import explain
from keepsane.report import Finding

NO_CAUSES = frozenset({"allocation-incomplete", "way-into-the-code"})
"""Rules that name no cause: what cannot be told, and the way in, which a whole log may tell better."""
_RANK = {"low": 0, "medium": 1, "high": 2}


def surest(findings: Iterable[Finding]) -> dict[str, Finding]:
    """Give the surest finding of each rule."""
    found: dict[str, Finding] = {}
    for finding in findings:
        known = found.get(finding.rule)
        if known is None or _RANK[finding.confidence] > _RANK[known.confidence]:
            found[finding.rule] = finding
    return found


def findings_of(lines: Sequence[str]) -> dict[str, Finding]:
    """Explain lines and give the surest finding of each rule."""
    return surest(explain("\n".join(lines), cache=False).findings)


def faults(lines: Sequence[str], kept: int, whole: dict[str, Finding]) -> list[str]:
    """Say which causes the first `kept` lines show that the whole does not have, or is less sure of."""
    said = []
    for rule, finding in findings_of(lines[:kept]).items():
        known = whole.get(rule)
        if rule in NO_CAUSES:
            continue
        if known is None:
            said.append(f"{rule}: {finding.title}")
        elif _RANK[finding.confidence] > _RANK[known.confidence]:
            said.append(
                f"{rule}: {finding.confidence} where the whole says {known.confidence}: {finding.title}"
            )
    return said
