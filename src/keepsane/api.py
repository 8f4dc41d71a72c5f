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
from dataclasses import dataclass, replace
from pathlib import Path

from keepsane.kernel.scan import Scanner
from keepsane.model import Check, Event, Failure, Finding, Fragment, Kernel, Report
from keepsane.rules import run
from keepsane.symbols.annotate import Symbols, Wanted

MAX_EVENTS = 20_000
"""Distinct reports kept for one input; further ones are counted and said to be left out."""


@dataclass(slots=True)
class _Kept:
    """An event and the lines where the same was reported again."""

    event: Event
    again: list[int]


def _same(event: Event) -> object:
    """Give what makes two reports the same: kind, title, task and every frame."""
    frames = tuple(
        (stack.name, tuple((frame.function, frame.offset_bytes, frame.module) for frame in stack.frames))
        for stack in event.stacks
    )
    return event.kind, event.title, event.task, frames


def _collect(scanner: Scanner, lines: Iterable[str]) -> tuple[tuple[Event, ...], int]:
    kept: dict[object, _Kept] = {}
    left_out = 0
    for event in _events(scanner, lines):
        key = _same(event)
        if key in kept:
            kept[key].again.append(event.line)
        elif len(kept) < MAX_EVENTS:
            kept[key] = _Kept(event, [])
        else:
            left_out += 1
    events = (replace(one.event, again=tuple(one.again)) for one in kept.values())
    return tuple(sorted(events, key=lambda event: event.line)), left_out


def _events(scanner: Scanner, lines: Iterable[str]) -> Iterator[Event]:
    for number, line in enumerate(lines, 1):
        yield from scanner.read(number, line)
    yield from scanner.finish()


def _judge(facts: Sequence[object]) -> tuple[tuple[Finding, ...], tuple[Failure, ...]]:
    answers = tuple(run(facts))
    findings = [answer for answer in answers if isinstance(answer, Finding)]
    findings.sort(key=lambda finding: finding.evidence[0].line)
    # Many reports may lack the same thing: it is said once.
    failures = dict.fromkeys(answer for answer in answers if isinstance(answer, Failure))
    return tuple(findings), tuple(failures)


def _symbols(
    vmlinux: str | Path | None,
    modules: Iterable[str | Path],
    source: str | Path | None,
    debug_dirs: Iterable[str | Path],
    edges: bool,
    cache: bool,
) -> Symbols:
    return Symbols(
        Wanted(
            vmlinux=Path(vmlinux) if vmlinux else None,
            modules=tuple(Path(directory) for directory in modules),
            source=Path(source) if source else None,
            debug_dirs=tuple(Path(directory) for directory in debug_dirs),
            edges=edges,
            cache=cache,
        )
    )


def explain(
    log: str | Iterable[str],
    *,
    name: str = "-",
    vmlinux: str | Path | None = None,
    modules: Iterable[str | Path] = (),
    source: str | Path | None = None,
    debug_dirs: Iterable[str | Path] = (),
    edges: bool = False,
    cache: bool = True,
) -> Report:
    """
    Explain every report in a kernel log.

    `log` is the text or its lines, `name` what the report calls it. `vmlinux` and `modules` (directories with
    `.ko` files) decode frames; without them the files are looked for where distributions put them and below
    `debug_dirs`. `source` is a kernel or module source tree to quote from. `edges` asks, of every frame, why
    it is there. Equal reports are given once, with the lines of the others in `again`.

    Raises SymbolError where a file named here cannot be used. Damage in the log is never an error.
    """
    lines = log.splitlines() if isinstance(log, str) else log
    scanner = Scanner()
    events, left_out = _collect(scanner, lines)
    kernel = scanner.summary(()).kernel
    decoded = _symbols(vmlinux, modules, source, debug_dirs, edges, cache).annotate(events, kernel)
    summary = scanner.summary(decoded.events)
    findings, failures = _judge((*decoded.events, summary))
    more = (
        (Failure("further reports", f"{left_out} more than {MAX_EVENTS} were left out"),) if left_out else ()
    )
    return Report(
        source=name,
        kernel=kernel,
        events=decoded.events,
        findings=findings,
        checks=decoded.checks,
        failures=(*decoded.failures, *failures, *more),
        unread_lines=summary.unread_lines,
        skipped_lines=summary.skipped_lines,
    )


def explain_stream(
    lines: Iterable[str],
    *,
    name: str = "-",
    vmlinux: str | Path | None = None,
    modules: Iterable[str | Path] = (),
    source: str | Path | None = None,
    debug_dirs: Iterable[str | Path] = (),
    edges: bool = False,
    cache: bool = True,
) -> Iterator[Fragment | Report]:
    """
    Explain a log while it grows: a Fragment per event as its block ends, at the end a Report without events.

    The final report holds what only the whole log tells: the kernel, findings about several events, counts.
    """
    scanner = Scanner()
    symbols = _symbols(vmlinux, modules, source, debug_dirs, edges, cache)
    seen: list[Event] = []
    for event in _events(scanner, lines):
        yield _fragment(event, scanner.summary(()).kernel, symbols)
        if len(seen) < MAX_EVENTS:
            seen.append(_remembered(event))
    summary = scanner.summary(tuple(seen))
    findings, failures = _judge((summary,))
    yield Report(
        source=name,
        kernel=summary.kernel,
        events=(),
        findings=findings,
        failures=failures,
        unread_lines=summary.unread_lines,
        skipped_lines=summary.skipped_lines,
    )


def _remembered(event: Event) -> Event:
    """Keep of an event that was given away what rules about the whole log ask for."""
    telling = tuple(record for record in event.records[1:] if "ainted" in record.text)[:1]
    return replace(event, stacks=(), records=(*event.records[:1], *telling), registers=(), code=None)


def _fragment(event: Event, kernel: Kernel, symbols: Symbols) -> Fragment:
    decoded = symbols.annotate((event,), kernel)
    findings, failures = _judge(decoded.events)
    checks: tuple[Check, ...] = decoded.checks
    return Fragment(
        event=decoded.events[0], findings=findings, checks=checks, failures=(*decoded.failures, *failures)
    )
