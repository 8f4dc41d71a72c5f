# SPDX-License-Identifier: GPL-2.0-or-later
"""Quotes: the lines of a report that a finding rests on, letter for letter."""

from __future__ import annotations

import re

from keepsane.kernel.log.culprit import traces
from keepsane.kernel.log.registers import parse_registers
from keepsane.model import Event, Frame, LogRecord, Register, Stack
from keepsane.report import Evidence

MAX_QUOTE = 200
"""Characters of a line that are quoted; what is longer is cut at its end."""

_ROW = re.compile(r"\s{0,20}(?:\$|GPR|Krnl GPRS)[ \d]{0,3} {0,3}: ")
_NOT_HEADS = ("[ cut here ]", " callbacks suppressed", "Trigger a crash", "Cause : ")
"""What may stand above the line that says what happened."""


def quote(event: Event, pattern: re.Pattern[str], note: str = "") -> Evidence | None:
    """Quote the first line of a report in which `pattern` is found; None where there is none."""
    for record in event.records:
        if pattern.search(record.text):
            return _evidence(record.line, record.text, note)
    return None


def matched(event: Event, pattern: re.Pattern[str]) -> re.Match[str] | None:
    """Give the match of the first line of a report at whose start `pattern` stands, None where none is."""
    found = _matching(event, pattern)
    return found[1] if found else None


def quote_match(event: Event, pattern: re.Pattern[str], note: str = "") -> Evidence | None:
    """Quote the first line of a report at whose start `pattern` stands; None where there is none."""
    found = _matching(event, pattern)
    return _evidence(found[0].line, found[0].text, note) if found else None


def _matching(event: Event, pattern: re.Pattern[str]) -> tuple[LogRecord, re.Match[str]] | None:
    for record in event.records:
        found = pattern.match(record.text) or pattern.match(record.text.lstrip())
        if found is not None:
            return record, found
    return None


def quote_head(event: Event, note: str = "") -> Evidence:
    """Quote the line that says what happened: the first after a `cut here` mark or an order."""
    for record in event.records:
        if record.text.strip() and not any(mark in record.text for mark in _NOT_HEADS):
            return _evidence(record.line, record.text, note)
    record = event.records[0]
    return _evidence(record.line, record.text, note)


def quote_frame(event: Event, frame: Frame, note: str = "") -> Evidence | None:
    """Quote the line on which a frame of the report was printed."""
    return quote_line(event, frame.line, note)


def quote_line(
    event: Event, line: int, note: str = "", part: re.Pattern[str] | None = None
) -> Evidence | None:
    """
    Quote a line of a report by its number, or the `part` of it that tells.

    None where the report has no such line, or it is blank.
    """
    for record in event.records:
        if record.line == line and record.text.strip():
            found = part.search(record.text) if part is not None else None
            return _evidence(record.line, found[0] if found else record.text, note)
    return None


def quote_register(event: Event, register: Register | None, note: str) -> Evidence | None:
    """Quote a register as the report prints it: `RAX: ffffffffffffffea`; None where there is none."""
    if register is None:
        return None
    alone = re.compile(rf"\b{re.escape(register.name)}\s?: (?:[0-9a-f]{{4}}:)?0{{0,16}}{register.value:x}\b")
    return quote(event, alone, note) or _quote_row(event, register, note)


def _quote_row(event: Event, register: Register, note: str) -> Evidence | None:
    """Quote the row of a register that is only counted: `$ 4   : ...` of mips, `GPR04: ...` of powerpc."""
    for record in event.records:
        read = parse_registers(record.text) if _ROW.match(record.text) else ()
        if any((one.name, one.value) == (register.name, register.value) for one in read):
            return _evidence(record.line, record.text, f"{register.name}: {note}")
    return None


def some(*evidence: Evidence | None) -> tuple[Evidence, ...]:
    """Give the lines that could be quoted."""
    return tuple(quoted for quoted in evidence if quoted)


def first_stack(event: Event) -> Stack | None:
    """Give the stack that led to the report: the first call trace, None where there is no stack."""
    return next(iter(traces(event.stacks)), None)


def _evidence(line: int, text: str, note: str) -> Evidence:
    return Evidence(line, text.strip()[:MAX_QUOTE].rstrip(), note)
