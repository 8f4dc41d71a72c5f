# SPDX-License-Identifier: GPL-2.0-or-later
"""A finding as text: what, how sure, why, the lines that show it, what to do."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill

from keepsane.model import Advice, Evidence, Finding, Severity
from keepsane.render.paint import Paint, Tone
from keepsane.render.text_shares import share_lines

_TONES: dict[Severity, Tone] = {"error": "error", "warning": "warning", "note": "title", "info": "dim"}
WIDTH = 100


def paragraph(text: str, first: str, rest: str | None = None) -> str:
    """Fill text to the width, after `first` and, on further lines, `rest` (as many blanks)."""
    indent = " " * len(first) if rest is None else rest
    return fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def where_words(evidence: Evidence) -> str:
    """Say where a quoted line stands: `line 7`, or `t1/proc/vmstat line 7` where there are several files."""
    return f"{evidence.file} line {evidence.line}" if evidence.file else f"line {evidence.line}"


def finding_lines(finding: Finding, paint: Paint) -> Iterator[str]:
    """Write one finding with every field it has."""
    sure = "" if finding.confidence == "high" else f" ({finding.confidence} confidence)"
    yield ""
    yield paint(_TONES[finding.severity], f"  => {finding.title}{sure}") + paint("dim", f"  [{finding.rule}]")
    yield paragraph(finding.explanation, "     ")
    yield from share_lines(finding.shares, paint)
    for evidence in finding.evidence:
        note = f"   ({evidence.note})" if evidence.note else ""
        yield (paint("dim", f"     {where_words(evidence)}: ") + evidence.quote.strip() + paint("dim", note))
    for advice in finding.advice:
        yield from _advice(advice, paint)
    for reference in finding.references:
        yield paint("dim", f"     see {reference}")


def _advice(advice: Advice, paint: Paint) -> Iterator[str]:
    yield paragraph(advice.text, "     do: ")
    parts = (("run", advice.command), ("undo", advice.undo), ("verify", advice.verify), ("risk", advice.risk))
    for name, text in parts:
        if text:
            yield f"       {name + ':':<8}" + (paint("function", text) if name != "risk" else text)
