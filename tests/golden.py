# SPDX-License-Identifier: GPL-2.0-or-later
"""
Reading golden cases: a log and what must come of it.

A case is a file of headers, an empty line, the log as it is, an empty line, `REPORT:` and one line per event:

    RULES: reference-taken-after-free@2
    SOURCE: tests/live refcount, Debian 6.1 cloud kernel

    [    2.345700] refcount_t: addition on 0; use-after-free.
    ...

    REPORT:
    refcount  refcount addition on 0 in do_refcount  line 1

`RULES:` (or `RULES: -` for none) is compared only where it stands. `WHAT-IF: min_free_kbytes=8192` supposes
settings. `WHY:` works out by hand what the rules must say; nothing reads it.
`NEAR: RULE where "TEXT" is "OTHER"` and `CUT: RULE behind "TEXT"` make logs of the case's own on which the
rule must not fire (tests/test_judge.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from keepsane.kernel.events.alloc_failure.what_if_asked import Settings, parse_settings
from keepsane.kernel.log.scan import Scanner
from keepsane.model import Event

CASES = Path(__file__).parent / "cases"
REPORT = "\n\nREPORT:\n"


@dataclass(frozen=True, slots=True)
class Case:
    """One golden case; `rules` is None where it does not judge them, `what_if` where it supposes nothing."""

    rules: tuple[str, ...] | None
    head: str
    log: str
    report: tuple[str, ...]
    what_if: Settings | None = None


def read_case(path: Path) -> Case:
    """Read one case; its headers say where the log is from."""
    whole = path.read_text(encoding="utf-8", errors="surrogateescape")
    head, _, rest = whole.partition("\n\n")
    log, _, report = rest.rpartition(REPORT)
    said = {key: value.strip() for key, _, value in (line.partition(":") for line in head.splitlines())}
    assert "SOURCE" in said, "a case says where its log is from"
    named = None if "RULES" not in said else () if said["RULES"] == "-" else tuple(said["RULES"].split(", "))
    what_if = parse_settings(said["WHAT-IF"].split()) if "WHAT-IF" in said else None
    return Case(named, head, log, tuple(report.splitlines()), what_if)


def write_report(path: Path, case: Case, report: tuple[str, ...]) -> None:
    """Write a case anew with another report."""
    text = f"{case.head}\n\n{case.log}{REPORT}" + "".join(f"{line}\n" for line in report)
    path.write_text(text, encoding="utf-8", errors="surrogateescape")


def events_of(log: str) -> tuple[Event, ...]:
    """Give the events of a log, as the kernel room reads them."""
    return tuple(Scanner().events(log.splitlines()))


def first_of(name: str) -> Event:
    """Give the first event of the case `kind/slug`."""
    return events_of(read_case(CASES / f"{name}.case").log)[0]
