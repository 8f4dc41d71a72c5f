# SPDX-License-Identifier: GPL-2.0-or-later
"""A finding as text: what, how sure, why, the lines that show it, what to do."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill

from keepsane.render.text.paint import Paint, Tone
from keepsane.report import Advice, Evidence, Finding, Severity, Share
from keepsane.words import size_words

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


BAR = 20
"""Characters of the bar that stands for the whole."""
WIDEST_NAME = 32


def percent_words(part: int, whole: int) -> str:
    """Say a part as a whole percentage; what is there but less than half of one as "<1"."""
    share = round(100 * part / whole) if whole > 0 else 0
    return f"{share} %" if share or part <= 0 else "<1 %"


def share_lines(shares: tuple[Share, ...], paint: Paint) -> Iterator[str]:
    """Write the parts as rows in which names, sizes and bars stand below each other."""
    whole = sum(share.kibibytes for share in shares)
    names = [share.name[:WIDEST_NAME] for share in shares]
    wide = max(map(len, names), default=0)
    for name, share in zip(names, shares, strict=True):
        bar = "#" * (round(BAR * share.kibibytes / whole) if whole > 0 else 0)
        numbers = f"{size_words(share.kibibytes):>9} {percent_words(share.kibibytes, whole):>5}"
        note = paint("dim", share.note) if share.note else ""
        yield f"     {name:<{wide}}{numbers}  {bar:<{BAR}}  {note}".rstrip()
