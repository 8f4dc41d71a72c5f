# SPDX-License-Identifier: GPL-2.0-or-later
"""Which report came first: later ones may only be what it left behind."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from keepsane.judge import rule
from keepsane.kernel.log.quote import quote, quote_head
from keepsane.model import Event, Kind, LogSummary
from keepsane.report import Confidence, Evidence, Finding

DIED: frozenset[Kind] = frozenset(
    {
        "null-deref",
        "page-fault",
        "general-protection",
        "bug",
        "divide-error",
        "invalid-opcode",
        "stack-overflow",
        "double-fault",
        "x86-trap",
        "machine-check",
        "bus-error",
        "bad-mode",
        "alignment",
    }
)
"""Kinds that go through die(), which taints the kernel with D when it is done."""

_CORRUPTED: frozenset[Kind] = frozenset(
    {"refcount", "list-corruption", "kasan", "kfence", "slab-corruption", "atomic-sleep"}
)
_WARNED: frozenset[Kind] = _CORRUPTED | {"warning"}
_STUCK: frozenset[Kind] = frozenset(
    {"soft-lockup", "hard-lockup", "hung-task", "rcu-stall", "workqueue-lockup"}
)
_CHECKED: frozenset[Kind] = frozenset({"mce", "machine-check"})
_FATAL: frozenset[Kind] = DIED | {"list-corruption", "panic"}
_AFTERMATH: frozenset[Kind] = _FATAL | _WARNED | _STUCK

_ENDS: tuple[tuple[re.Pattern[str], frozenset[Kind], int | None], ...] = (
    (
        re.compile(r"(?:Oops: )?Fatal exception|Aiee, killing interrupt handler"),
        DIED | {"list-corruption"},
        None,
    ),
    (re.compile(r"Attempted to kill init!"), DIED | {"list-corruption"}, 1),
    (re.compile(r"Attempted to kill the idle task!"), DIED | {"list-corruption"}, 0),
    (re.compile(r"^.{0,40}\bpanic_on_warn set"), _WARNED | {"kmsan", "kcsan", "ubsan", "lockdep"}, None),
    (re.compile(r"panic_on_kmsan set"), frozenset({"kmsan"}), None),
    (re.compile(r"hung_task: blocked tasks"), frozenset({"hung-task"}), None),
    (re.compile(r"softlockup: hung tasks"), frozenset({"soft-lockup"}), None),
    (re.compile(r"(?:Watchdog detected )?[Hh]ard LOCKUP"), frozenset({"hard-lockup"}), None),
    (re.compile(r"RCU Stall"), frozenset({"rcu-stall"}), None),
    (re.compile(r"scheduling while atomic"), frozenset({"atomic-sleep"}), None),
    (re.compile(r"Machine halted\."), frozenset({"double-fault", "stack-overflow"}), None),
    (
        re.compile(
            r"Fatal (?:local )?[Mm]achine check|CPU context corrupt|Machine check from unknown source"
        ),
        _CHECKED,
        None,
    ),
    (re.compile(r"^[Oo]ut of memory\b.{0,80}panic_on_oom"), frozenset({"oom-kill"}), None),
)
"""A panic's sentence, the kinds of report it can end, and the pid that must have been running, if any."""

_INIT_CRASHED = (
    "That crash ended the task it happened in, which was process 1, and without that the kernel stops;"
)
_ON_PURPOSE = re.compile(r"sysrq triggered crash|VFS: Unable to mount|No working init found")
_MOST_BEFORE = 1000
"""Reports before a panic that are looked at: a log of thousands of panics need not be searched for each."""
_MOST_MIXED = 8
"""Reports that begin inside of another one: no more CPUs print at once in what can still be read."""
_TAINT_LINE = re.compile(r"[Tt]ainted: [A-Z]")
_OF_A_PROGRAM = re.compile(r"Alignment trap: |Unhandled fault: ")
"""Head of a fault that is a program's, unless the kernel says below that it died (arch/arm/mm/)."""
_DIE_COUNT = re.compile(r"\[#(?P<count>\d{1,5})\]")


@rule("consequence-of-earlier-report", on=LogSummary)
def consequence_of_earlier_report(log: LogSummary, *, panic_gap_seconds: float = 10.0) -> Iterator[Finding]:
    """
    This report is not the first: an earlier one of the same boot may be its cause.

    What it means: the kernel had already crashed or warned when this report was printed. A task killed by an
    oops keeps its locks and leaves what it was changing half done, so later crashes, lockups and warnings
    often only show what the first one left behind. A panic that only ends a report is said to be its end.

    How we know: the kernel counts its crashes (`[#2]`) and marks itself after each: `D` in `Tainted:` after
    an oops or BUG, `W` after a warning, `B` after bad memory was found. The first such report of the same
    boot is named; where the log begins later, that is said. A panic belongs to the report before it where
    its sentence says so (`Fatal exception`, `panic_on_warn set`, `hung_task: blocked tasks`), for
    `Attempted to kill init!` only if process 1 was the one that crashed.

    What to do: read the first report and mend that. Return to this one only if it comes without the first.

    When it is wrong: `W` stays until the next boot, so a harmless warning of last month marks today's crash
    too; such findings have low confidence and say "may". `D` proves that there was a crash before, not that
    it is the cause. Without time stamps two boots in one log may be taken for one.
    """
    for boot in _boots(log.events, panic_gap_seconds):
        for index, event in enumerate(boot):
            finding = _end_of(event, boot[:index]) or _after(
                event, boot[:index], boot[index + 1 :][:_MOST_MIXED]
            )
            if finding is not None:
                yield finding


def ends_of_nothing(log: LogSummary, panic_gap_seconds: float = 10.0) -> Iterator[Event]:
    """Give the panics that end no other report of the log."""
    for boot in _boots(log.events, panic_gap_seconds):
        for index, event in enumerate(boot):
            if event.kind == "panic" and _end_of(event, boot[:index]) is None:
                yield event


def _boots(events: Sequence[Event], panic_gap_seconds: float) -> Iterator[list[Event]]:
    boot: list[Event] = []
    for event in sorted(events, key=lambda event: event.line):
        if boot and _rebooted(boot[-1], event, panic_gap_seconds):
            yield boot
            boot = []
        boot.append(event)
    if boot:
        yield boot


def _rebooted(before: Event, event: Event, panic_gap_seconds: float) -> bool:
    """Tell whether the machine restarted between two reports: another kernel, an earlier clock, a panic."""
    if before.boot != event.boot:
        return True
    if before.release and event.release and before.release != event.release:
        return True
    was, now = before.records[0].seconds, event.records[0].seconds
    if was is None or now is None:
        return before.kind == "panic"
    return now < was - 1 or (before.kind == "panic" and now > was + panic_gap_seconds)


def _end_of(event: Event, before: Sequence[Event]) -> Finding | None:
    reason = _panic_reason(event)
    if reason is None:
        return None
    for sentence, kinds, pid in _ENDS:
        if sentence.match(reason):
            return _ended(event, before, kinds, pid)
    return None


def _ended(event: Event, before: Sequence[Event], kinds: frozenset[Kind], pid: int | None) -> Finding | None:
    found = (
        earlier
        for earlier in islice(reversed(before), _MOST_BEFORE)
        if earlier.kind in kinds and (pid is None or (earlier.task is not None and earlier.task.pid == pid))
    )
    # Of several tasks that hang, the last is often a victim of the first. Of others the last is meant.
    ends = list(found if "hung-task" in kinds else islice(found, 1))
    if not ends:
        return None
    several = len(ends) > 1
    earlier = ends[-1]
    which = f"of {len(ends)} such reports, the first" if several else "of the report"
    return Finding(
        severity="info",
        confidence="medium" if several else "high",
        title=f"this panic is the end {which} at line {earlier.line}: {earlier.title}",
        evidence=(
            quote_head(event, "the kernel gives up because of the report before"),
            quote_head(earlier, "the first of them" if several else "that report"),
        ),
        explanation=(_INIT_CRASHED if pid == 1 else "The panic only says that the kernel stopped;")
        + " what went wrong is in that report.",
    )


def _after(event: Event, before: Sequence[Event], behind: Sequence[Event]) -> Finding | None:
    letters = {flag.letter for flag in event.taint}
    count = _die_count(event)
    if event.kind not in _AFTERMATH or _ON_PURPOSE.match(_panic_reason(event) or ""):
        return None
    if "D" in letters or (count or 0) > 1:
        return _after_crash(event, _first_death(before, count))
    if event.kind not in _FATAL:
        return None
    if letters & {"W", "B"}:
        return _mixed_in(event, before, behind) or _after_warning(event, before)
    return _untold(event, before, count)


def _after_crash(event: Event, first: Event | None) -> Finding:
    return Finding(
        severity="warning",
        confidence="high",
        title=f"not the first crash: {_named(first)}"
        if first
        else "not the first crash: the first report is not in this log",
        evidence=_evidence(event, first, "the kernel had crashed before this report"),
        explanation=(
            "The task that crashed first kept its locks and left its data half changed; this report may only"
            " be what that left behind."
            if first
            else "The first report is not in this log; the kernel's count or taint says there was one."
        ),
    )


def _mixed_in(event: Event, before: Sequence[Event], behind: Sequence[Event]) -> Finding | None:
    """Give a report of another CPU that was printed before the line that says that the kernel is tainted."""
    own = quote(event, _TAINT_LINE, "the kernel was tainted by then")
    if own is None or any(earlier.kind in _WARNED for earlier in before):
        return None
    other = next((one for one in behind if one.kind in _WARNED and one.line < own.line), None)
    if other is None:
        return None
    return Finding(
        severity="note",
        confidence="low",
        title=f"printed at the same time as another report: {_named(other)}",
        evidence=(own, quote_head(other, "the other report")),
        explanation="Two CPUs reported at once: one may be the cause of the other, or neither be.",
    )


def _after_warning(event: Event, before: Sequence[Event]) -> Finding:
    warned = "W" in {flag.letter for flag in event.taint}
    kinds = _WARNED if warned else _CORRUPTED  # B alone tells of damaged memory, not of a warning
    reports = [earlier for earlier in before if earlier.kind in kinds]
    corrupted = next((earlier for earlier in reports if earlier.kind in _CORRUPTED), None)
    first = corrupted or (reports[0] if reports else None)
    what = "an earlier warning" if warned else "memory found damaged earlier"
    words = "The kernel had warned" if warned else "The kernel had found damaged memory"
    confidence: Confidence = "medium" if corrupted else "low"
    return Finding(
        severity="warning" if corrupted else "note",
        confidence=confidence,
        title=(
            f"may follow from an earlier report: {_named(first)}"
            if first
            else f"may follow from {what}, whose report is not in this log"
        ),
        evidence=_evidence(event, first, f"{words[0].lower()}{words[1:]} before this report"),
        explanation=(
            "The earlier report says that memory, a count or a lock was wrong before; this may be its effect."
            if corrupted
            else f"{words} before. That may be the cause, or have nothing to do with this crash."
        ),
    )


def _untold(event: Event, before: Sequence[Event], count: int | None) -> Finding | None:
    """Judge a report whose own taint is lost: only its place after a crash is known."""
    if event.release is not None or count is not None or event.kind == "panic" or _is_of_a_program(event):
        return None
    first = _first_death(before, None)
    if first is None:
        return None
    return Finding(
        severity="note",
        confidence="low",
        title=f"may follow from an earlier crash: {_named(first)}",
        evidence=(quote_head(event, "its taint line is missing"), quote_head(first, "the earlier report")),
        explanation="This report stands after a crash of the same boot, but the line that would tell whether"
        " the kernel was already tainted is missing.",
    )


def _first_death(before: Sequence[Event], count: int | None) -> Event | None:
    for earlier in before:
        number = _die_count(earlier)
        if ((earlier.kind in DIED and not _is_of_a_program(earlier)) or number is not None) and (
            number is None or count is None or number < count
        ):
            return earlier
    return None


def _is_of_a_program(event: Event) -> bool:
    """Tell whether a fault was in user space: the kernel says what it could not mend, and does not die."""
    return (
        _OF_A_PROGRAM.match(event.records[0].text) is not None
        and event.release is None
        and _die_count(event) is None
    )


def _panic_reason(event: Event) -> str | None:
    # By its kind: the module of Panic is loaded only where a log has one.
    return getattr(event, "reason", None) if event.kind == "panic" else None


def _die_count(event: Event) -> int | None:
    counts = (_DIE_COUNT.search(record.text) for record in event.records)
    found = next((count for count in counts if count is not None), None)
    return int(found["count"]) if found else getattr(event, "count", None)


def _named(event: Event | None) -> str:
    return f"line {event.line}, {event.title}" if event else ""


def _evidence(event: Event, first: Event | None, note: str) -> tuple[Evidence, ...]:
    own = quote(event, _TAINT_LINE, note) or quote(event, _DIE_COUNT, note) or quote_head(event, note)
    return (own,) if first is None else (own, quote_head(first, "the earlier report"))
