# SPDX-License-Identifier: GPL-2.0-or-later
"""
What keepsane says of what it read: findings with evidence and advice, what was ruled out, and the report.

All are immutable. Absent is None. The JSON contract spells these field names letter for letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from keepsane.model import Event, Kernel

Severity = Literal["error", "warning", "note", "info"]
Confidence = Literal["high", "medium", "low"]
Outcome = Literal["match", "mismatch", "not possible"]
State = Literal["memory-state"]
FailureKind = Literal["not-done", "cannot-tell", "no-verdict", "rule-failed", "unusable-vmlinux"]


class Evidence(NamedTuple):
    """
    A line of the input, quoted letter for letter, and what it shows.

    `file` names the file where the input has several ("t1/proc/vmstat"), "" where it is one log.
    """

    line: int
    quote: str
    note: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """
    What to do. A command is shown, never run; `undo`, `verify` and `risk` go with it.

    `as_root`: only root may run it, and it does not ask for that itself as sudo does.
    """

    text: str
    as_root: bool = False
    command: str | None = None
    undo: str | None = None
    verify: str | None = None
    risk: str | None = None


class Share(NamedTuple):
    """One part of a whole, such as of memory: what it is, its size, and what there is to say about it."""

    name: str
    kibibytes: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """
    One judgement with its evidence (never empty), its reason and what to do about it.

    `rule` is the name of the rule that judged; the engine fills it in. `shares` are the parts of a whole, the
    largest first, where the judgement is about such.
    """

    rule: str = ""
    severity: Severity
    confidence: Confidence
    title: str
    evidence: tuple[Evidence, ...]
    explanation: str
    advice: tuple[Advice, ...] = ()
    references: tuple[str, ...] = ()
    shares: tuple[Share, ...] = ()


class Failure(NamedTuple):
    """
    Something that could not be done: `what` was tried, `why` it failed, in words a user can act on.

    A `rule` that cannot tell lacks something: `lacks` says what without more words. So does a verdict on
    samples that are not whole (`no-verdict`): no finding does then not mean that all is well.
    """

    what: str
    why: str
    kind: FailureKind = "not-done"
    rule: str = ""
    lacks: str = ""


def cannot_tell(what: str, lacks: str, kind: FailureKind = "cannot-tell", rule: str = "") -> Failure:
    """Say that a judgement lacks something."""
    return Failure(what, f"cannot tell: {lacks}", kind, rule, lacks)


class Check(NamedTuple):
    """
    One comparison of a boot's reports with a binary.

    `name` says what was compared, `said` both sides of it; `boot` counts the boots in the log from 1.
    """

    name: str
    file: str
    outcome: Outcome
    said: str
    boot: int = 1


class Fact(NamedTuple):
    """Something about a machine, named and in words: `free memory`, `node 0: 12 MB, node 1: 481 MB`."""

    name: str
    said: str


class CounterChange(NamedTuple):
    """How fast a counter rose before a change and after it, per second; None where that is not known."""

    name: str
    before_per_second: float | None
    after_per_second: float | None


class Verified(NamedTuple):
    """
    What became of a finding after a change.

    `outcome` is gone, still there, or cannot tell; `counters` are those that the finding rested on.
    """

    rule: str
    outcome: Literal["gone", "still there", "cannot tell"]
    why: str
    counters: tuple[CounterChange, ...]


class RuledOut(NamedTuple):
    """A rule that looked and did not fire, with the numbers that say why."""

    rule: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """One event of a stream with what was found out about it alone."""

    event: Event
    findings: tuple[Finding, ...]
    ruled_out: tuple[RuledOut, ...] = ()
    checks: tuple[Check, ...] = ()
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """
    Everything keepsane found in one input; renderers show every field.

    `boots` has the kernel of every boot in the log, `kernel` is that of the last one with a report.
    `ruled_out` is what was looked for and is not the cause. `state` says which state of a machine was judged,
    None for a log; `facts` are its numbers in words, `notes` what their reader must know, `verified` what
    became of earlier findings.
    """

    schema: int = 1
    source: str
    state: State | None = None
    kernel: Kernel
    boots: tuple[Kernel, ...] = ()
    events: tuple[Event, ...]
    findings: tuple[Finding, ...]
    ruled_out: tuple[RuledOut, ...] = ()
    verified: tuple[Verified, ...] = ()
    facts: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    failures: tuple[Failure, ...] = ()
    unread_lines: int = 0
    skipped_lines: int = 0
