# SPDX-License-Identifier: GPL-2.0-or-later
"""
What commands, pages and Python programs call.

    >>> from keepsane.api import explain
    >>> report = explain("BUG: kernel NULL pointer dereference, address: 0000000000000080")
    >>> report.events[0].title
    'NULL pointer dereference'
    >>> report.events[0].damage
    'no call trace; its end is missing (no `---[ end trace`); the log ends inside this report'
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from sys import getsizeof
from typing import TYPE_CHECKING, Any, NamedTuple

from keepsane.judge import run
from keepsane.kernel.log.quote import quote_head
from keepsane.kernel.log.scan import Scanner
from keepsane.model import Event, Kernel, LogSummary
from keepsane.report import Check, Failure, Finding, Fragment, Report, RuledOut, cannot_tell
from keepsane.symbols.annotate import Symbols, Wanted
from keepsane.symbols.binary.cache import Cache, open_cache
from keepsane.symbols.lines.repeats import Annotated

if TYPE_CHECKING:
    from keepsane.kernel.events.alloc_failure.what_if_asked import Settings
    from keepsane.memory.preflight import Preflight
    from keepsane.memory.state import MemoryState
    from keepsane.symbols.calls.route import Route

MAX_EVENTS = 20_000
"""Distinct reports kept for one input; further ones are counted and said to be left out."""
_LARGE = ("memory", "ledger", "gfp", "requester")
"""What a failed allocation says of itself, and no rule about a whole log asks for."""
MAX_KEPT_BYTES = 200 << 20
"""About what the kept reports take in memory; further ones are counted too."""
_RECORD_BYTES = 500
"""What a line of a report takes beside its text, with the frame it may be."""
_MARKS = ("ainted", "[#")
"""What marks the lines with the taint and with the count of crashes."""
MAX_AGAIN = 1_000
"""Lines kept of later reports that said the same; further ones are counted."""


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


def _options(options: Options | None, asked: dict[str, Any]) -> Options:
    """Put what was asked by name into the options; a path may be a text there, and one directory alone."""
    one: dict[str, Any] = {name: Path(asked[name]) for name in ("vmlinux", "source") if asked.get(name)}
    several: dict[str, Any] = {
        name: _paths(asked[name]) for name in ("modules", "debug_dirs") if name in asked
    }
    return replace(options or Options(), **(asked | one | several))


@dataclass(slots=True)
class _Kept:
    """An event and the lines where the same was reported again."""

    event: Event
    again: list[int]
    more: int = 0
    until_seconds: float | None = None

    def repeat(self, event: Event) -> None:
        """Count a later report that said the same."""
        line, self.until_seconds = event.line, event.records[0].seconds
        if len(self.again) < MAX_AGAIN:
            self.again.append(line)
        else:
            self.more += 1

    def whole(self) -> Event:
        """Give the event with what is known of its repeats."""
        if not self.again:
            return self.event
        return replace(self.event, again=tuple(self.again), again_until_seconds=self.until_seconds)


class _Collected(NamedTuple):
    """The distinct events of a log in its order, and what was left out of them."""

    events: tuple[Event, ...]
    failures: tuple[Failure, ...]


def _same(event: Event) -> object:
    """Give what makes two reports the same: boot, kind, title, task, address, every frame, the verdict."""
    frames = tuple(
        (stack.name, tuple((frame.function, frame.offset_bytes, frame.module) for frame in stack.frames))
        for stack in event.stacks
    )
    ip = event.ip and (event.ip.function, event.ip.offset_bytes, event.ip.address)
    address, mode = getattr(event, "address", None), getattr(event, "mode", None)
    verdict = getattr(getattr(event, "ledger", None), "verdict", None)
    said = event.kind, event.title, event.task, mode, verdict
    return event.boot, event.release, said, ip, address, frames


def _collect(scanner: Scanner, lines: Iterable[str]) -> _Collected:
    kept: dict[object, _Kept] = {}
    left_out = kept_bytes = 0
    for event in scanner.events(lines):
        key = _same(event)
        if key in kept:
            kept[key].repeat(event)
        elif len(kept) < MAX_EVENTS and kept_bytes < MAX_KEPT_BYTES:
            kept[key] = _Kept(event, [])
            kept_bytes += sum(_RECORD_BYTES + getsizeof(record.text) for record in event.records)
        else:
            left_out += 1
    events = (repeats.whole() for repeats in kept.values())
    failures = [
        Failure(f"list the repeats of line {repeats.event.line}", f"{repeats.more} more were only counted")
        for repeats in kept.values()
        if repeats.more
    ]
    if left_out:
        failures.append(Failure("keep every report", f"{left_out} more than {len(kept)} were left out"))
    failures += scanner.left_out()
    return _Collected(tuple(sorted(events, key=lambda event: event.line)), tuple(failures))


def _annotated(symbols: Symbols, events: Sequence[Event], boots: Sequence[Kernel]) -> Annotated:
    """Decode the reports of each boot with what that boot said of its kernel."""
    by_boot: dict[int, list[Event]] = {}
    for event in events:
        by_boot.setdefault(event.boot, []).append(event)
    parts = [_decoded(symbols, by_boot[boot], boots[boot - 1]) for boot in sorted(by_boot)]
    return Annotated(
        tuple(sorted((event for part in parts for event in part.events), key=lambda event: event.line)),
        tuple(check for part in parts for check in part.checks),
        tuple(dict.fromkeys(failure for part in parts for failure in part.failures)),
    )


def _decoded(symbols: Symbols, events: Sequence[Event], kernel: Kernel) -> Annotated:
    """Decode reports of one boot; every check says which."""
    part = symbols.annotate(events, kernel)
    return part._replace(checks=tuple(check._replace(boot=events[0].boot) for check in part.checks))


class _Judged(NamedTuple):
    """What the rules said of some facts: many reports may lack the same thing, which is said once."""

    findings: list[Finding]
    ruled_out: tuple[RuledOut, ...]
    failures: tuple[Failure, ...]


def _judge(facts: Sequence[object]) -> _Judged:
    answers = tuple(run(facts))
    return _Judged(
        [answer for answer in answers if isinstance(answer, Finding)],
        tuple(answer for answer in answers if isinstance(answer, RuledOut)),
        tuple(dict.fromkeys(answer for answer in answers if isinstance(answer, Failure))),
    )


def _by_line(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: finding.evidence[0].line))


def _paths(named: Paths) -> tuple[Path, ...]:
    return (Path(named),) if isinstance(named, str | Path) else tuple(Path(path) for path in named)


def _lines(log: str | Iterable[str]) -> Iterable[str]:
    # Not splitlines(): a form feed in a log ends no line, and line numbers must be an editor's.
    if isinstance(log, str):
        return (line.rstrip("\r") for line in log.removesuffix("\n").split("\n")) if log else ()
    return log


def explain(log: str | Iterable[str], options: Options | None = None, **asked: Any) -> Report:
    """
    Explain every report in a kernel log: its text or its lines.

    What is wanted is said as Options, or by the names of their fields. Equal reports are given once, with the
    lines of the others in `again`. A file that cannot be used is among the report's failures. Damage in the
    log is never an error.
    """
    options = _options(options, asked)
    scanner = Scanner()
    collected = _collect(scanner, _lines(log))
    known = scanner.summary(())
    with closing(Symbols(options)) as symbols:
        decoded = _annotated(symbols, collected.events, known.boots)
    summary = scanner.summary(decoded.events)
    judged = _judge((*decoded.events, *_supposed(decoded.events, options.what_if), summary))
    failures = (*decoded.failures, *judged.failures, *collected.failures)
    return _report(summary, judged, options, decoded.checks, failures, decoded.events)


def explain_stream(
    lines: Iterable[str], options: Options | None = None, **asked: Any
) -> Iterator[Fragment | Report]:
    """
    Explain a log while it grows: a Fragment per event as its block ends, at the end a Report without events.

    The final report holds what only the whole log tells: the kernel, findings about several events, counts.
    """
    options = _options(options, asked)
    scanner = Scanner()
    seen: list[Event] = []
    with closing(Symbols(options)) as symbols:
        for event in scanner.events(lines):
            yield _fragment(event, scanner.summary(()).boots[event.boot - 1], symbols, options.what_if)
            if len(seen) < MAX_EVENTS:
                seen.append(_remembered(event))
    summary = scanner.summary(tuple(seen))
    judged = _judge((summary,))
    yield _report(summary, judged, options, (), (*judged.failures, *scanner.left_out()))


def _report(
    summary: LogSummary,
    judged: _Judged,
    options: Options,
    checks: tuple[Check, ...],
    failures: tuple[Failure, ...],
    events: tuple[Event, ...] = (),
) -> Report:
    return Report(
        source=options.name,
        kernel=summary.kernel,
        boots=summary.boots,
        events=events,
        findings=_by_line(judged.findings),
        ruled_out=judged.ruled_out,
        notes=summary.notes,
        checks=checks,
        failures=failures,
        unread_lines=summary.unread_lines,
        skipped_lines=summary.skipped_lines,
    )


def find_route(
    site: str, function: str, *, vmlinux: str | Path, modules: Paths = (), cache: bool = True
) -> Route:
    """
    Find how the call at a site (`tty_read+0x96`), or a function, can reach a function by calls and jumps.

    Raises InputError and SymbolError where a site, a function or a file is not what it should be.
    """
    # Imported here: a log needs no search.
    from keepsane.symbols.calls.route import read_route

    with closing(open_cache() if cache else Cache()) as kept:
        return read_route(site, function, Path(vmlinux), _paths(modules), kept)


def preflight(
    state: MemoryState, order: int, node: int | None = None, zone: str | None = None, *, atomic: bool = False
) -> Preflight:
    """
    Say whether a request for 2**`order` pages would succeed, from one `node` or up to one `zone`.

    `atomic`: by a caller that cannot wait. Raises ValueError where there is no such order or zone.
    """
    from keepsane.memory.preflight import preflight as checked

    return checked(state, order, node, zone, atomic=atomic)


def diagnose(state: MemoryState, *, name: str = "-", before: MemoryState | None = None) -> Report:
    """
    Judge a machine's memory: the verdict first, at most two findings beside it, and what was ruled out.

    `state` comes from keepsane.memory.state; `name` is what the report calls the machine or the capture.
    `before` is the same machine before a change: what became of its findings is said.
    """
    # Imported here: a log needs neither.
    from keepsane.memory.facts import facts_of
    from keepsane.memory.rules.harm import recent_reports
    from keepsane.memory.rules.order import in_order
    from keepsane.memory.rules.verify import doubts, verified

    judged = _judge((state, *recent_reports(state)))
    file = state.log.file if state.log else ""
    return Report(
        source=name,
        state="memory-state",
        kernel=Kernel(release=state.machine.release),
        events=(),
        findings=in_order(_in_file(finding, file) for finding in judged.findings),
        ruled_out=judged.ruled_out,
        verified=verified(before, state) if before is not None else (),
        facts=facts_of(state),
        notes=(*state.notes, *(doubts(before, state) if before is not None else ())),
        failures=(*_unmeasured(state), *judged.failures),
    )


def _in_file(finding: Finding, log: str) -> Finding:
    """Name the file of evidence from the kernel log: a rule about a log knows of one only."""
    quotes = (quote if quote.file else quote._replace(file=log) for quote in finding.evidence)
    return replace(finding, evidence=tuple(quotes))


def _unmeasured(state: MemoryState) -> Iterator[Failure]:
    from keepsane.memory.whole import unmeasured_words

    if why := unmeasured_words(sample.snapshot for sample in state.samples):
        yield cannot_tell("verdict", why, "no-verdict")


def _remembered(event: Event) -> Event:
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


def _supposed(events: Sequence[Event], what_if: Settings | None) -> tuple[object, ...]:
    if what_if is None:
        return ()
    from keepsane.kernel.events.alloc_failure.what_if_asked import suppose

    return suppose(events, what_if)


def _fragment(event: Event, kernel: Kernel, symbols: Symbols, what_if: Settings | None) -> Fragment:
    decoded = _decoded(symbols, (event,), kernel)
    judged = _judge((*decoded.events, *_supposed(decoded.events, what_if)))
    return Fragment(
        event=decoded.events[0],
        findings=_by_line(judged.findings),
        ruled_out=judged.ruled_out,
        checks=decoded.checks,
        failures=(*decoded.failures, *judged.failures),
    )
