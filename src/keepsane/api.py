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

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from sys import getsizeof
from typing import TYPE_CHECKING, Any, NamedTuple

from keepsane.explained import Options as Options
from keepsane.explained import (
    Paths,
    annotated,
    fragment_of,
    judge,
    options_of,
    paths_of,
    remembered,
    report_of,
    supposed,
)
from keepsane.kernel.log.scan import Scanner
from keepsane.model import Event, Kernel
from keepsane.report import Failure, Finding, Fragment, Report, cannot_tell
from keepsane.symbols.annotate import Symbols
from keepsane.symbols.binary.cache import Cache, open_cache

if TYPE_CHECKING:
    from keepsane.memory.preflight import Preflight
    from keepsane.memory.state import MemoryState
    from keepsane.symbols.calls.route import Route

MAX_EVENTS = 20_000
"""Distinct reports kept for one input; further ones are counted and said to be left out."""
MAX_KEPT_BYTES = 200 << 20
"""About what the kept reports take in memory; further ones are counted too."""
_RECORD_BYTES = 500
"""What a line of a report takes beside its text, with the frame it may be."""
MAX_AGAIN = 1_000
"""Lines kept of later reports that said the same; further ones are counted."""
_MAX_SAID = 64
"""Reports given before their end that are remembered: as many as may be open at once."""


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
    options = options_of(options, asked)
    scanner = Scanner()
    collected = _collect(scanner, _lines(log))
    known = scanner.summary(())
    with closing(Symbols(options)) as symbols:
        decoded = annotated(symbols, collected.events, known.boots)
    summary = scanner.summary(decoded.events)
    judged = judge((*decoded.events, *supposed(decoded.events, options.what_if), summary))
    failures = (*decoded.failures, *judged.failures, *collected.failures)
    return report_of(summary, judged, options, decoded.checks, failures, decoded.events)


def explain_stream(
    lines: Iterable[str], options: Options | None = None, **asked: Any
) -> Iterator[Fragment | Report]:
    """
    Explain a log while it grows: a Fragment per event as its block ends, at the end a Report without events.

    The final report holds what only the whole log tells: the kernel, findings about several events, counts.
    Whoever must not wait for the next line uses Live.
    """
    with closing(Live(options, **asked)) as live:
        yield from live.fragments(lines)
        yield live.report()


class Live:
    """
    A log that somebody still writes, explained line by line; a panic is the last thing that a kernel says.

    `read` gives what has ended. `pause`, after some silence, gives what stands open as if the log ended here,
    and says nothing twice: a report that goes on afterwards is given once more only if that changed it.
    """

    def __init__(self, options: Options | None = None, **asked: Any) -> None:
        """Take what is wanted, as Options or by the names of their fields."""
        self._options = options_of(options, asked)
        self._scanner = Scanner()
        self._symbols = Symbols(self._options)
        self._lines = 0
        self._seen: list[Event] = []
        self._said: deque[object] = deque(maxlen=_MAX_SAID)

    def close(self) -> None:
        """Close the binaries."""
        self._symbols.close()

    def read(self, text: str) -> Iterator[Fragment]:
        """Read the next line, without its end."""
        self._lines += 1
        return self._fragments(self._scanner.read(self._lines, text))

    def pause(self) -> Iterator[Fragment]:
        """Give what stands open; the lines that are to come are read as if nobody had asked."""
        for event in deepcopy(self._scanner).finish():
            if (key := _same(event)) not in self._said:
                self._said.append(key)
                yield self._fragment(event)

    def fragments(self, lines: Iterable[str]) -> Iterator[Fragment]:
        """Read lines to their end, which is the log's."""
        return self._fragments(self._scanner.events(lines))

    def finish(self) -> Iterator[Fragment]:
        """End the log: give what was still open."""
        return self._fragments(self._scanner.finish())

    def report(self) -> Report:
        """Give what only the whole log tells."""
        summary = self._scanner.summary(tuple(self._seen))
        judged = judge((summary,))
        failures = (*judged.failures, *self._scanner.left_out())
        return report_of(summary, judged, self._options, (), failures)

    def _fragments(self, events: Iterable[Event]) -> Iterator[Fragment]:
        for event in events:
            if len(self._seen) < MAX_EVENTS:
                self._seen.append(remembered(event))
            if self._said and (key := _same(event)) in self._said:
                self._said.remove(key)
            else:
                yield self._fragment(event)

    def _fragment(self, event: Event) -> Fragment:
        kernel = self._scanner.summary(()).boots[event.boot - 1]
        return fragment_of(event, kernel, self._symbols, self._options.what_if)


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
        return read_route(site, function, Path(vmlinux), paths_of(modules), kept)


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

    judged = judge((state, *recent_reports(state)))
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
