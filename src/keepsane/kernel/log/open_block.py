# SPDX-License-Identifier: GPL-2.0-or-later
"""A block while its lines still come: which lines belong to it, and where it ends."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from sys import getsizeof

from keepsane.kernel.log.block import Opening
from keepsane.kernel.log.body import BodyReader
from keepsane.kernel.log.task import parse_task
from keepsane.model import LogRecord

MAX_BLOCK_LINES = 20_000
MAX_BLOCK_BYTES = 2 << 20
"""A block ends when its lines take more memory than this, however few they are."""
FOREIGN_BEFORE_BODY = 30
"""Lines of other origin that may stand between the opening of a report and its stack, ..."""
FOREIGN_IN_BODY = 12
"""... and inside or after the stack, before the report counts as ended."""
FOREIGN_BEHIND_A_PLACE = 3
"""The same behind a place of code that begins a report: a text may only mention it."""
MAX_PAUSE_SECONDS = 30.0
"""Within one report: other CPUs get 10 seconds to answer an NMI, and consoles are slow."""
MAX_AWAY_LINES = 2_000
"""A report ends where so many lines of the log went by without one of its own, whosever they were."""


_SAYS = re.compile(r"\w")
_CALL_TRACE = re.compile(r"\s*Call [Tt]race:")
_COUNT = re.compile(r"\[#(?P<count>\d{1,9})\]")
_OF_SEVERAL = frozenset({"rcu-stall", "hung-task", "sysrq", "nmi-backtrace", "workqueue-lockup"})
"""Reports that show several CPUs or tasks."""
DIE_RANK = 1
"""The line of die() and what is more general; only those continue a report that goes on with it."""

_GENERAL = frozenset(
    {"cut-here", "warning", "bug", "invalid-opcode", "internal-error", "die", "died", "panic"}
)
"""What the reports of many kinds go on with; others go on with lines of their own kind alone, ..."""
_BEFORE_ANY = frozenset({"cut-here", "suppressed", "overran", "crash-asked-for"})
"""... but for these, which may stand before any."""

Begun = tuple[Opening, re.Match[str], LogRecord]
"""What began a block or joined it: an opening, its match, and the line."""


@dataclass(slots=True)
class OpenBlock:
    """
    A block that is still being read.

    Mutable on purpose: a log is read once, as a stream.
    """

    opened: list[Begun]
    records: list[LogRecord] = field(default_factory=list)
    reader: BodyReader = field(default_factory=BodyReader)
    last_line: int = 0
    foreign: int = 0
    unread: int = 0
    console: int = 0
    size_bytes: int = 0
    full: bool = False
    mixed: bool = False
    within: bool = False

    @classmethod
    def begin(cls, opening: Opening, found: re.Match[str], record: LogRecord) -> OpenBlock:
        """Begin a block with the line that opens it."""
        block = cls(
            [(opening, found, record)], [record], last_line=record.line, size_bytes=getsizeof(record.text)
        )
        block.reader.take(record)
        return block

    @property
    def caller(self) -> str | None:
        """Give the printk caller of the block's lines, None where the log names none."""
        return self.records[0].caller

    @property
    def is_stray(self) -> bool:
        """Tell whether it is one frame of another CPU among the lines of a report: it says nothing alone."""
        return self.within and len(self.records) == 1 and self.opened[0][0].name == "frame"

    @property
    def awaits(self) -> bool:
        """Tell whether the line of die() is still to come, perhaps behind lines of other CPUs."""
        return self.opened[-1][0].awaits and not self.reader.begun

    def continues(self, opening: Opening, record: LogRecord) -> bool:
        """Tell whether `opening` belongs here: a more general head, or a stack of the same report."""
        if self._has_any(opening.joins) or self._repeats(opening):
            return True
        if self.reader.begun or self.reader.closed or self._counts_otherwise(record.text):
            return False
        if self._paused_before(record) or (
            self.awaits and opening.rank > DIE_RANK and "[#" not in record.text
        ):
            return False
        return opening.rank < min(other[0].rank for other in self.opened) and self._leads_to(opening)

    def _paused_before(self, record: LogRecord) -> bool:
        """Tell whether the kernel wrote nothing of this report for longer than any dump takes."""
        last, now = self.records[-1 - self.foreign].seconds, record.seconds
        return last is not None and now is not None and now - last > MAX_PAUSE_SECONDS

    def _leads_to(self, opening: Opening) -> bool:
        """Tell whether what opened this block may go on with `opening`: a headline alone may be all of it."""
        if opening.name in _GENERAL:
            return True
        return any(
            other.name in _BEFORE_ANY or other.parse.__module__ == opening.parse.__module__
            for other, *_ in self.opened
        )

    def _counts_otherwise(self, text: str) -> bool:
        """Tell whether a line counts another oops than this block does."""
        count = _COUNT.search(text) if "[#" in text else None
        own = (_COUNT.search(record.text) for _, _, record in self.opened if "[#" in record.text)
        return count is not None and any(found and found["count"] != count["count"] for found in own)

    def holds(self, opening: Opening, text: str) -> bool:
        """Tell whether the line of `opening` is to be read as any other line of this block."""
        if opening.alone and self._is_of_another(text):
            return False
        if opening.renews and self.opened[0][0].alone and self.reader.begun:
            return False
        over = self.reader.ended or self.reader.closed
        return opening.alone or (not over and self._has_any(opening.detail_of))

    def is_interrupted_by(self, opening: Opening, text: str) -> bool:
        """Tell whether another task begins to say who it is before this block's stack came."""
        return opening.alone and not self.reader.begun and self._is_of_another(text)

    def _is_of_another(self, text: str) -> bool:
        """Tell whether a line says who runs, and it is neither this block's CPU nor its task."""
        task, other = self.reader.task, parse_task(text)
        if task is None or other is None or self.reader.stacks.in_section or self._has_any(_OF_SEVERAL):
            return False
        return None not in (task.pid, task.cpu, other.pid, other.cpu) and (
            task.pid != other.pid and task.cpu != other.cpu
        )

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
        if self._paused_before(record) or (self.reader.ended and _CALL_TRACE.match(record.text)):
            return False
        read = self.reader.take(record) or self._own(record.text)
        if read:
            self._keep(record)
            return not self.full
        if self.reader.ended:
            return False
        if record.seconds is None and self.records[0].seconds is not None:
            self.console += 1  # what a program wrote: the kernel's own lines have timestamps here
            return True
        if self.foreign >= self._patience():
            return False
        self.foreign += 1
        self.records.append(record)
        self.size_bytes += getsizeof(record.text)
        return True

    def _patience(self) -> int:
        """Give how many lines of other origin may stand before this block ends."""
        if self.reader.begun:
            return FOREIGN_IN_BODY
        place = self.opened[0][0].name == "registers"
        return FOREIGN_BEHIND_A_PLACE if place else FOREIGN_BEFORE_BODY

    def reread(self, record: LogRecord) -> None:
        """Take a line of which it is known that it belongs here."""
        self.reader.take(record)
        self._keep(record)

    def _own(self, text: str) -> bool:
        owns = [opening.own for opening, *_ in self.opened if opening.own is not None]
        # The second line of a message is indented like the first one's stamp.
        return any(own.match(text) or own.match(text.lstrip()) for own in owns)

    def _keep(self, record: LogRecord) -> None:
        if _SAYS.search(record.text):  # an empty or ruled line stands between any two texts
            self.unread += self.foreign
            self.foreign = 0
        self.last_line = record.line
        self.records.append(record)
        self.size_bytes += getsizeof(record.text)
        self.full = len(self.records) >= MAX_BLOCK_LINES or self.size_bytes >= MAX_BLOCK_BYTES
