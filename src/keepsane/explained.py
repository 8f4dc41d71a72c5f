# SPDX-License-Identifier: GPL-2.0-or-later
"""How an event becomes an answer: decoded with its kernel's binaries, judged by rules, put into a report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from keepsane.judge import run
from keepsane.kernel.log.quote import quote_head
from keepsane.model import Event, Kernel, LogSummary
from keepsane.report import Check, Failure, Finding, Fragment, Report, RuledOut
from keepsane.symbols.annotate import Symbols, Wanted
from keepsane.symbols.lines.repeats import Annotated

if TYPE_CHECKING:
    from keepsane.kernel.events.alloc_failure.what_if_asked import Settings

_LARGE = ("memory", "ledger", "gfp", "requester")
"""What a failed allocation says of itself, and no rule about a whole log asks for."""
_MARKS = ("ainted", "[#")
"""What marks the lines with the taint and with the count of crashes."""


Paths = Iterable[str | Path] | str | Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Wanted):
    """
    What is wanted of a log, and of binaries and sources.

    `name` is what the report calls it. `what_if` are settings by which failed allocations are checked once
    more.
    """

    name: str = "-"
    what_if: Settings | None = None


def options_of(options: Options | None, asked: dict[str, Any]) -> Options:
    """Put what was asked by name into the options; a path may be a text there, and one directory alone."""
    one: dict[str, Any] = {name: Path(asked[name]) for name in ("vmlinux", "source") if asked.get(name)}
    several: dict[str, Any] = {
        name: paths_of(asked[name]) for name in ("modules", "debug_dirs") if name in asked
    }
    return replace(options or Options(), **(asked | one | several))


def annotated(symbols: Symbols, events: Sequence[Event], boots: Sequence[Kernel]) -> Annotated:
    """Decode the reports of each boot with what that boot said of its kernel."""
    by_boot: dict[int, list[Event]] = {}
    for event in events:
        by_boot.setdefault(event.boot, []).append(event)
    parts = [decode(symbols, by_boot[boot], boots[boot - 1]) for boot in sorted(by_boot)]
    return Annotated(
        tuple(sorted((event for part in parts for event in part.events), key=lambda event: event.line)),
        tuple(check for part in parts for check in part.checks),
        tuple(dict.fromkeys(failure for part in parts for failure in part.failures)),
    )


def decode(symbols: Symbols, events: Sequence[Event], kernel: Kernel) -> Annotated:
    """Decode reports of one boot; every check says which."""
    part = symbols.annotate(events, kernel)
    return part._replace(checks=tuple(check._replace(boot=events[0].boot) for check in part.checks))


class Judged(NamedTuple):
    """What the rules said of some facts: many reports may lack the same thing, which is said once."""

    findings: list[Finding]
    ruled_out: tuple[RuledOut, ...]
    failures: tuple[Failure, ...]


def judge(facts: Sequence[object]) -> Judged:
    """Let every rule judge facts."""
    answers = tuple(run(facts))
    return Judged(
        [answer for answer in answers if isinstance(answer, Finding)],
        tuple(answer for answer in answers if isinstance(answer, RuledOut)),
        tuple(dict.fromkeys(answer for answer in answers if isinstance(answer, Failure))),
    )


def by_line(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Give findings in the order of the log."""
    return tuple(sorted(findings, key=lambda finding: finding.evidence[0].line))


def paths_of(named: Paths) -> tuple[Path, ...]:
    """Give the paths that were named, by one name or by several."""
    return (Path(named),) if isinstance(named, str | Path) else tuple(Path(path) for path in named)


def report_of(
    summary: LogSummary,
    judged: Judged,
    options: Options,
    checks: tuple[Check, ...],
    failures: tuple[Failure, ...],
    events: tuple[Event, ...] = (),
) -> Report:
    """Put what is known of a log into its report."""
    return Report(
        source=options.name,
        kernel=summary.kernel,
        boots=summary.boots,
        events=events,
        findings=by_line(judged.findings),
        ruled_out=judged.ruled_out,
        notes=summary.notes,
        checks=checks,
        failures=failures,
        unread_lines=summary.unread_lines,
        skipped_lines=summary.skipped_lines,
    )


def remembered(event: Event) -> Event:
    """Keep of an event that was given away what rules about the whole log ask for."""
    large: dict[str, Any] = dict.fromkeys(_LARGE) if event.kind == "alloc-failure" else {}
    told = set(_telling(event))
    records = tuple(record for record in event.records if record.line in told)
    return replace(event, stacks=(), records=records, registers=(), code=None, **large)


def _telling(event: Event) -> Iterator[int]:
    """Give the lines that a rule about the whole log may quote: the head, its marks, who was killed."""
    yield from (record.line for record in event.records[:1])
    if event.records:
        yield quote_head(event).line
    for mark in _MARKS:
        yield from [record.line for record in event.records if mark in record.text][:1]
    yield from (victim.line for victim in getattr(event, "victims", ())[:1])


def supposed(events: Sequence[Event], what_if: Settings | None) -> tuple[object, ...]:
    """Give failed allocations once more, as they would be by other settings."""
    if what_if is None:
        return ()
    from keepsane.kernel.events.alloc_failure.what_if_asked import suppose

    return suppose(events, what_if)


def fragment_of(event: Event, kernel: Kernel, symbols: Symbols, what_if: Settings | None) -> Fragment:
    """Decode and judge one event."""
    decoded = decode(symbols, (event,), kernel)
    judged = judge((*decoded.events, *supposed(decoded.events, what_if)))
    return Fragment(
        event=decoded.events[0],
        findings=by_line(judged.findings),
        ruled_out=judged.ruled_out,
        checks=decoded.checks,
        failures=(*decoded.failures, *judged.failures),
    )
