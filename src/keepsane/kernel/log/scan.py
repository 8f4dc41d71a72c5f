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
from dataclasses import replace

from keepsane.kernel.log.banner import KernelFacts
from keepsane.kernel.log.block import Block, Opening
from keepsane.kernel.log.blocks import Searched
from keepsane.kernel.log.dress.anchors import unglued
from keepsane.kernel.log.dress.letters import spaced
from keepsane.kernel.log.dress.stage import RECENT_LINES, Stage
from keepsane.kernel.log.halves import Halves, is_half
from keepsane.kernel.log.kinds import GATE, WORDS, find_opening
from keepsane.kernel.log.losses import Losses, with_losses
from keepsane.kernel.log.open_block import DIE_RANK, MAX_AWAY_LINES, OpenBlock
from keepsane.kernel.log.recognised import MAX_LOOKED_AT, Recognised
from keepsane.kernel.log.records import MAX_RECORD_CHARACTERS, is_of_program, records_of
from keepsane.kernel.log.records import record as read_record
from keepsane.model import Event, LogRecord, LogSummary
from keepsane.report import Failure
from keepsane.words import counted

MAX_OPEN_BLOCKS = 64
MAX_BOOTS_WITHOUT_REPORT = 1_000
"""Of more boots only those are kept that have a report, ..."""
MAX_BOOTS = 10_000
"""... and beyond these no line begins another."""
_MOST_TOLD = 8
"""Reports whose registers may be printed once more behind other lines, as since 4.18 behind the end trace."""


class Scanner:
    """Reads lines one by one and gives the events whose blocks have ended; `finish` gives the rest."""

    def __init__(self) -> None:
        self._open: dict[str | None, OpenBlock] = {}
        self._halves = Halves()
        self._losses = Losses()
        self._stage = Stage()
        self._busy = False
        self._recognised = Recognised()
        self._reported = False
        self._told: deque[str | None] = deque(maxlen=_MOST_TOLD)
        self._boots = [KernelFacts()]
        self._host: str | None = None
        self._timed = False
        self._patience = 0
        self._restarts: deque[int] = deque(maxlen=_MOST_TOLD)
        self._last: LogRecord | None = None
        self._passed: tuple[int, str] | None = None
        self._skipped = 0
        self._unread = 0
        self.cut_lines = self.left_out_boots = 0

    def events(self, lines: Iterable[str]) -> Iterator[Event]:
        """Read a whole log, its lines numbered from 1; of searched ones only those that matter are read."""
        number = 0
        for text in lines:
            number += 1
            if number > self._patience:
                yield from self._close_left(number)
            yield from self.read(number, text)
            if isinstance(lines, Searched) and self._rests and number >= MAX_LOOKED_AT:
                number = self._pass_over(lines, number)
        yield from self.finish()

    @property
    def _rests(self) -> bool:
        """Tell whether the next line is only counted unless it has a word of the kernel's."""
        return not self._open and not self._busy

    def _pass_over(self, lines: Searched, number: int) -> int:
        """Do with the lines behind line `number` what `read` would do; give the number of the last."""
        passed = lines.pass_over(RECENT_LINES)
        number += passed.lines
        self._skipped += passed.lines
        self._stage.recent.extend(enumerate(map(spaced, passed.last), number - len(passed.last) + 1))
        return number

    def read(self, line: int, text: str) -> Iterable[Event]:
        """Read a line as it stands in the log; what belongs to no report is not even split."""
        text = text if text.isascii() else spaced(text)
        gated = GATE.search(text, 0, MAX_RECORD_CHARACTERS) is not None
        if line <= MAX_LOOKED_AT:
            self._recognised.look(text, gated=gated)
        if not gated and self._rests:
            self._stage.recent.append((line, text))
            self._skipped += 1
            return ()
        self._losses.look(line, text)
        if is_of_program(text) and ((not gated and not self._busy) or self._kernel_is_named()):
            return self._pass_by()
        self._passed = self._stage.recent[-1] if self._stage.recent else None
        kernels = gated and WORDS.search(text, 0, MAX_RECORD_CHARACTERS) is not None
        return self._read_lines(self._stage.read(line, text, gated=kernels), text if gated else None)

    def _kernel_is_named(self) -> bool:
        """Tell whether a logger says which lines are the kernel's: programs beside them only quote it."""
        recent = (read_record(*passed).host for passed in self._stage.recent)
        return self._host is not None or any(host is not None for host in recent)

    def _pass_by(self) -> Iterable[Event]:
        """Read a line of another program: it ends a report that may have ended, and is part of none."""
        self._stage.recent.clear()
        self._skipped += 1
        block = self._open.get(None)
        return self._end(block) if block is not None and block.reader.ended else ()

    def _close_left(self, line: int) -> Iterator[Event]:
        """Close the reports of which the last lines before line number `line` have none."""
        for block in [*self._open.values()]:
            if line - block.last_line > MAX_AWAY_LINES:
                yield from self._close(block)
        last = min((block.last_line for block in self._open.values()), default=line)
        self._patience = last + MAX_AWAY_LINES

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
        if gated and len(self._boots) < MAX_BOOTS and self._is_over(record):
            return self._reboot(record)
        record = self._of_host(self._continued(record))
        self._timed = self._timed or record.seconds is not None
        if gated:
            record = record._replace(text=unglued(record.text))
            self._boots[-1].take(record.text)
            opening = self._opening(record)
        block = self._open.get(record.caller)
        if block is None and opening is None:
            self._skipped += 1
            if gated:
                self._recognised.doubt(record.line, record.text)
            return ()
        return self._read(record, block, opening)

    def _continued(self, record: LogRecord) -> LogRecord:
        """Give the second line of a message, before which printk writes nothing, the caller of the first."""
        last, self._last = self._last, record
        bare = record.seconds is None and record.caller is None and self._timed
        if last is None or not bare or last.caller is None or record.line != last.line + 1:
            return record
        self._last = record._replace(caller=last.caller)
        return self._last

    def _of_host(self, record: LogRecord) -> LogRecord:
        """Keep the lines of machines apart that share a log: a caller of another host is another one."""
        if record.host is None:
            return record
        self._host = self._host or record.host
        if record.host == self._host:
            return record
        return record._replace(caller=f"{record.caller or ''}@{record.host}")

    def _opening(self, record: LogRecord) -> tuple[Opening, re.Match[str]] | None:
        """Give the opening that a line is: registers that a report has told already begin no other."""
        # A log pasted into a mail is indented, a terminal fills its lines, and a web form marks code.
        text = record.text.strip(" \t\r`")
        found = find_opening(text) or (_quoted_opening(text) if text[:1] == '"' else None)
        if found is None or (found[0].first and record.line > 1):
            return None
        return None if found[0].name == "registers" and found[1]["function"] in self._told else found

    def _is_over(self, record: LogRecord) -> bool:
        before = read_record(*self._passed).seconds if self._passed else None
        return self._boots[-1].is_over(
            record, reporting=bool(self._open), timed=self._timed, before_seconds=before
        )

    def _reboot(self, record: LogRecord) -> list[Event]:
        """End every report with the boot it belongs to."""
        ended = list(self._close_all())
        if not self._reported:
            self._restarts.append(record.line)
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
        self, record: LogRecord, block: OpenBlock | None, opening: tuple[Opening, re.Match[str]] | None
    ) -> Iterator[Event]:
        yield from self._give_all(self._halves.overdue(record.line))
        if opening is None or (block is not None and block.holds(opening[0], record.text)):
            if block is not None and block.take(record):
                return
            if block is not None:
                yield from self._end(block)
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
        yield from self._give_all(self._halves.all())

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
            notes=() if self._reported else (*self._recognised.notes(), *self._restarted()),
        )

    def _restarted(self) -> Iterator[str]:
        for line in self._restarts:
            yield f"the machine starts again at line {line}, and no report stands before that"

    def left_out(self) -> tuple[Failure, ...]:
        """Say what of the log the limits kept out."""
        said = []
        if self.cut_lines:
            lines = counted(self.cut_lines, "line", "lines")
            why = f"of {lines} only the first {MAX_RECORD_CHARACTERS} characters were read"
            said.append(Failure("read every line to its end", why))
        if self.left_out_boots:
            why = f"{self.left_out_boots} without a report were left out, and are not counted"
            said.append(Failure("list every boot", why))
        return tuple(said)

    def _begin(self, opening: Opening, found: re.Match[str], record: LogRecord) -> Iterator[Event]:
        block = self._home(opening, record)
        ended = self._open.get(record.caller)
        if ended is not None and ended is not block:
            yield from self._end(ended)
        if block is not None:
            block.add(opening, found, record)
            self._open[record.caller] = block
            return
        if len(self._open) >= MAX_OPEN_BLOCKS:
            yield from self._close(next(iter(self._open.values())))
        fresh = OpenBlock.begin(opening, found, record)
        fresh.within = bool(self._open)
        fresh.mixed = ended is not None and ended.is_interrupted_by(opening, record.text)
        self._open[record.caller] = fresh

    def _home(self, opening: Opening, record: LogRecord) -> OpenBlock | None:
        """Find the open block that `opening` continues: its own context's or, for a stack, another's."""
        own = self._open.get(record.caller)
        continues = own is not None and not own.full and own.continues(opening, record)
        if opening.rank == DIE_RANK and not (continues and own and not _is_other_cpus(own)):
            half = self._halves.awaiting(opening, record)
            if half is not None:
                return half
        if continues:
            return own
        if own is None and opening.joins:
            return next((block for block in self._open.values() if block.continues(opening, record)), None)
        return None

    def _end(self, block: OpenBlock) -> Iterator[Event]:
        """End a block behind which other lines come: its rest may stand behind those."""
        if not is_half(block):
            yield from self._close(block)
            return
        self._detach(block)
        yield from self._give_all(self._halves.keep(block))

    def _detach(self, block: OpenBlock) -> None:
        self._open = {caller: other for caller, other in self._open.items() if other is not block}
        self._skipped += block.foreign + block.console
        if block.foreign:
            del block.records[-block.foreign :]
        block.foreign = block.console = 0

    def _close(self, block: OpenBlock, *, cut: bool = False) -> Iterator[Event]:
        cut = cut and block.foreign == 0
        self._detach(block)
        if block.is_stray:
            self._skipped += 1
            return
        last = block.records[-1]
        for part in self._halves.settled(block):
            yield from self._give(part, cut=cut and part.records[-1] is last)

    def _give_all(self, blocks: Iterable[OpenBlock]) -> Iterator[Event]:
        for block in blocks:
            yield from self._give(block, cut=False)

    def _give(self, block: OpenBlock, *, cut: bool) -> Iterator[Event]:
        event = _parse(block, cut=cut)
        if event is None:
            self._recognised.doubt(block.records[0].line, block.records[0].text)
            self._skipped += len(block.records)
            return
        below = event.last_line + (not block.reader.ended)
        event = with_losses(event, self._losses.between(event.line, below))
        self._unread += block.unread
        self._reported = True
        self._told.append(event.ip.function if event.ip is not None else None)
        if len(self._boots) < MAX_BOOTS and self._boots[-1].is_foreign(event):
            self._next_boot()
        self._boots[-1].learn(event, block.reader.release.version if block.reader.release else None)
        yield replace(event, boot=len(self._boots))


def _quoted_opening(text: str) -> tuple[Opening, re.Match[str]] | None:
    """Give the opening that a line in quotation marks is: of prose only what the line of die() confirms."""
    found = find_opening(text.strip('"'))
    return found if found is not None and found[0].awaits else None


def _is_other_cpus(block: OpenBlock) -> bool:
    """Tell whether a block is a headline after which no die() comes."""
    return is_half(block) and not block.awaits


def _parse(block: OpenBlock, *, cut: bool) -> Event | None:
    body = block.reader.finish()
    if block.mixed:
        body = replace(body, ip=None, registers=(), code=None, stacks=())
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
                mixed=block.mixed,
            )
        )
        if event is not None:
            return event
    return None
