# SPDX-License-Identifier: GPL-2.0-or-later
"""
Find the reports in a log: a literal gate first, then one parser per block, the summary last.

Several contexts may print at once; where the log names its callers (`[T12]`, `[C1]`) each has its own
open block. Memory is bounded by the open blocks.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from sys import getsizeof

from keepsane.kernel.log.banner import KernelFacts
from keepsane.kernel.log.block import Block, Opening
from keepsane.kernel.log.body import BodyReader
from keepsane.kernel.log.dress.letters import spaced
from keepsane.kernel.log.dress.stage import Stage
from keepsane.kernel.log.kinds import GATE, WORDS, find_opening
from keepsane.kernel.log.recognised import MAX_LOOKED_AT, Recognised
from keepsane.kernel.log.records import MAX_RECORD_CHARACTERS, records_of
from keepsane.kernel.log.records import record as read_record
from keepsane.model import Event, LogRecord, LogSummary
from keepsane.report import Failure

MAX_BLOCK_LINES = 20_000
MAX_BLOCK_BYTES = 2 << 20
"""A block ends when its lines take more memory than this, however few they are."""
MAX_OPEN_BLOCKS = 64
MAX_BOOTS_WITHOUT_REPORT = 1_000
"""Of more boots only those are kept that have a report, ..."""
MAX_BOOTS = 10_000
"""... and beyond these no line begins another."""
FOREIGN_BEFORE_BODY = 30
"""Lines of other origin that may stand between the opening of a report and its stack, ..."""
FOREIGN_IN_BODY = 12
"""... and inside or after the stack, before the report counts as ended."""
MAX_CONSOLE_LINES = 2_000
"""Lines of programs (no timestamp in a log that has them) do not count as such, up to this many."""

_MOST_TOLD = 8
"""Reports whose registers may be printed once more behind other lines, as since 4.18 behind the end trace."""
_CALL_TRACE = re.compile(r"\s*Call [Tt]race:")


@dataclass(slots=True)
class _Open:
    """A block that is still being read."""

    opened: list[tuple[Opening, re.Match[str], LogRecord]]
    records: list[LogRecord] = field(default_factory=list)
    reader: BodyReader = field(default_factory=BodyReader)
    foreign: int = 0
    unread: int = 0
    console: int = 0
    size_bytes: int = 0
    full: bool = False

    def continues(self, opening: Opening) -> bool:
        """Tell whether `opening` belongs here: a more general head, or a stack of the same report."""
        if self._has_any(opening.joins) or self._repeats(opening):
            return True
        return not self.reader.begun and opening.rank < min(other[0].rank for other in self.opened)

    def holds(self, opening: Opening) -> bool:
        """Tell whether the line of `opening` is to be read as any other line of this block."""
        if opening.renews and self.opened[0][0].alone and self.reader.begun:
            return False
        return opening.alone or self._has_any(opening.detail_of)

    def _has_any(self, names: frozenset[str]) -> bool:
        return any(opening.name in names for opening, *_ in self.opened)

    def _repeats(self, opening: Opening) -> bool:
        """A symbolizer prints the head once per inlined function; the last is the one the kernel wrote."""
        last, _, record = self.opened[-1]
        return not self.reader.begun and last == opening and record.text.endswith("[inline]")

    def add(self, opening: Opening, found: re.Match[str], record: LogRecord) -> None:
        """Take a further opening line into the block."""
        if self.reader.begun or opening.joins:
            self.reader.section(found.groupdict().get("stack") or opening.name)
        if self._repeats(opening):
            self.opened.pop()
        self.opened.append((opening, found, record))
        self.reader.take(record)
        self._keep(record)

    def take(self, record: LogRecord) -> bool:
        """Read a line; False where the block has ended before it."""
        if self.reader.ended and _CALL_TRACE.match(record.text):
            return False
        read = self.reader.take(record) or self._own(record.text)
        if read:
            self._keep(record)
            return not self.full
        if self.reader.ended:
            return False
        if record.seconds is None and self.records[0].seconds is not None:
            return self._console()
        if self.foreign >= (FOREIGN_IN_BODY if self.reader.begun else FOREIGN_BEFORE_BODY):
            return False
        self.foreign += 1
        self.records.append(record)
        self.size_bytes += getsizeof(record.text)
        return True

    def _console(self) -> bool:
        """Let pass what a program wrote to the console: the kernel's own lines have timestamps here."""
        self.console += 1
        return self.console <= MAX_CONSOLE_LINES

    def _own(self, text: str) -> bool:
        return any(opening.own is not None and opening.own.match(text) for opening, *_ in self.opened)

    def _keep(self, record: LogRecord) -> None:
        self.unread += self.foreign
        self.foreign = 0
        self.records.append(record)
        self.size_bytes += getsizeof(record.text)
        self.full = len(self.records) >= MAX_BLOCK_LINES or self.size_bytes >= MAX_BLOCK_BYTES


class Scanner:
    """Reads lines one by one and gives the events whose blocks have ended; `finish` gives the rest."""

    def __init__(self) -> None:
        self._open: dict[str | None, _Open] = {}
        self._stage = Stage()
        self._busy = False
        self._recognised = Recognised()
        self._reported = False
        self._told: deque[str | None] = deque(maxlen=_MOST_TOLD)
        self._boots = [KernelFacts()]
        self._timed = False
        self._skipped = 0
        self._unread = 0
        self.cut_lines = self.left_out_boots = 0

    def events(self, lines: Iterable[str]) -> Iterator[Event]:
        """Read a whole log, its lines numbered from 1."""
        for number, text in enumerate(lines, 1):
            yield from self.read(number, text)
        yield from self.finish()

    def read(self, line: int, text: str) -> Iterable[Event]:
        """Read a line as it stands in the log; what belongs to no report is not even split."""
        text = text if text.isascii() else spaced(text)
        gated = GATE.search(text, 0, MAX_RECORD_CHARACTERS) is not None
        if line <= MAX_LOOKED_AT:
            self._recognised.look(text, gated=gated)
        if not gated and not self._open and not self._busy:
            self._stage.recent.append((line, text))
            self._skipped += 1
            return ()
        kernels = gated and WORDS.search(text, 0, MAX_RECORD_CHARACTERS) is not None
        return self._read_lines(self._stage.read(line, text, gated=kernels), text if gated else None)

    def _read_lines(self, lines: Iterable[tuple[int, str]], gated: str | None = None) -> Iterator[Event]:
        """Read undressed lines; of `gated` it is known that it has a word of the kernel's."""
        for line, text in lines:
            if len(text) <= MAX_RECORD_CHARACTERS:
                yield from self._take(read_record(line, text), text is gated or GATE.search(text) is not None)
            else:
                yield from self._read_long(line, text)
        self._busy = self._stage.busy

    def _read_long(self, line: int, text: str) -> Iterator[Event]:
        found = list(records_of(line, text))
        self.cut_lines += len(found) == 1
        for record in found:
            yield from self._take(record, GATE.search(record.text) is not None)

    def _take(self, record: LogRecord, gated: bool) -> Iterable[Event]:
        opening = None
        if (
            gated
            and len(self._boots) < MAX_BOOTS
            and self._boots[-1].is_over(record, reporting=bool(self._open), timed=self._timed)
        ):
            return self._reboot(record)
        self._timed = self._timed or record.seconds is not None
        if gated:
            self._boots[-1].take(record.text)
            opening = self._opening(record)
        block = self._open.get(record.caller)
        if block is None and opening is None:
            self._skipped += 1
            if gated:
                self._recognised.doubt(record.line, record.text)
            return ()
        return self._read(record, block, opening)

    def _opening(self, record: LogRecord) -> tuple[Opening, re.Match[str]] | None:
        """Give the opening that a line is: registers that a report has told already begin no other."""
        found = find_opening(record.text.lstrip())  # a log pasted into a mail is indented
        if found is None or (found[0].first and record.line > 1):
            return None
        return None if found[0].name == "registers" and found[1]["function"] in self._told else found

    def _reboot(self, record: LogRecord) -> list[Event]:
        """End every report with the boot it belongs to."""
        ended = list(self._close_all())
        self._next_boot()
        self._boots[-1].take(record.text)
        self._skipped += 1
        return ended

    def _next_boot(self) -> None:
        if len(self._boots) >= MAX_BOOTS_WITHOUT_REPORT and self._boots[-1].last_seconds is None:
            self._boots.pop()
            self.left_out_boots += 1
        self._boots.append(KernelFacts())

    def _read(
        self, record: LogRecord, block: _Open | None, opening: tuple[Opening, re.Match[str]] | None
    ) -> Iterator[Event]:
        if opening is None or (block is not None and block.holds(opening[0])):
            if block is not None and block.take(record):
                return
            if block is not None:
                yield from self._close(block)
        if opening is not None:
            yield from self._begin(*opening, record)
        else:
            self._skipped += 1

    def finish(self) -> Iterator[Event]:
        """End of the log: yield what was still open, as cut off there."""
        yield from self._read_lines(self._stage.finish())
        yield from self._close_all()

    def _close_all(self) -> Iterator[Event]:
        while self._open:
            yield from self._close(next(iter(self._open.values())), cut=True)

    def summary(self, events: tuple[Event, ...]) -> LogSummary:
        """Give the last fact about the log: which kernel it was, and how much was not understood."""
        boots = tuple(facts.kernel() for facts in self._boots)
        told = [facts.kernel() for facts in self._boots if facts.last_seconds is not None]
        return LogSummary(
            kernel=told[-1] if told else boots[-1],
            boots=boots,
            events=events,
            unread_lines=self._unread,
            skipped_lines=self._skipped - self._stage.recalled_lines,
            notes=() if self._reported else self._recognised.notes(),
        )

    def left_out(self) -> tuple[Failure, ...]:
        """Say what of the log the limits kept out."""
        said = []
        if self.cut_lines:
            why = (
                f"{self.cut_lines} lines have more than {MAX_RECORD_CHARACTERS} characters and were cut there"
            )
            said.append(Failure("read every line to its end", why))
        if self.left_out_boots:
            why = f"{self.left_out_boots} without a report were left out, and are not counted"
            said.append(Failure("list every boot", why))
        return tuple(said)

    def _begin(self, opening: Opening, found: re.Match[str], record: LogRecord) -> Iterator[Event]:
        block = self._home(opening, record)
        if block is not None:
            block.add(opening, found, record)
            self._open[record.caller] = block
            return
        ended = self._open.pop(record.caller, None)
        if ended is not None:
            yield from self._close(ended)
        if len(self._open) >= MAX_OPEN_BLOCKS:
            yield from self._close(next(iter(self._open.values())))
        fresh = _Open([(opening, found, record)], [record])
        fresh.reader.take(record)
        fresh.size_bytes = getsizeof(record.text)
        self._open[record.caller] = fresh

    def _home(self, opening: Opening, record: LogRecord) -> _Open | None:
        """Find the open block that `opening` continues: its own context's or, for a stack, another's."""
        own = self._open.get(record.caller)
        if own is not None and not own.full and own.continues(opening):
            return own
        if own is None and opening.joins:
            return next((block for block in self._open.values() if block.continues(opening)), None)
        return None

    def _close(self, block: _Open, *, cut: bool = False) -> Iterator[Event]:
        self._open = {caller: other for caller, other in self._open.items() if other is not block}
        self._skipped += block.foreign + block.console
        if block.foreign:
            del block.records[-block.foreign :]
        event = _parse(block, cut=cut and block.foreign == 0)
        if event is None:
            self._recognised.doubt(block.records[0].line, block.records[0].text)
            self._skipped += len(block.records)
            return
        self._unread += block.unread
        self._reported = True
        self._told.append(event.ip.function if event.ip is not None else None)
        if len(self._boots) < MAX_BOOTS and self._boots[-1].is_foreign(event):
            self._next_boot()
        self._boots[-1].learn(event, block.reader.release.version if block.reader.release else None)
        yield replace(event, boot=len(self._boots))


def _parse(block: _Open, *, cut: bool) -> Event | None:
    body = block.reader.finish()
    names = tuple(opening.name for opening, *_ in block.opened)
    for opening, head, record in sorted(block.opened, key=lambda opened: opened[0].alone):
        event = opening.parse(
            Block(
                opening=opening,
                head=head,
                head_record=record,
                openings=names,
                records=tuple(block.records),
                body=body,
                cut=cut,
            )
        )
        if event is not None:
            return event
    return None
