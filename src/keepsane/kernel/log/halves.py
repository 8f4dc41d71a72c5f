# SPDX-License-Identifier: GPL-2.0-or-later
"""
Reports in two pieces: on a machine with several CPUs one report stands between the lines of others.

    BUG: unable to handle page fault for address: ffffc90000123000         CPU 3
    BUG: spinlock lockup suspected on CPU#1, widgetd/77                    CPU 1
    Oops: 0002 [#1] SMP NOPTI                                              CPU 3
    CPU: 3 PID: 777 Comm: worker Not tainted 5.17.5 #2                     CPU 3

Where lines name their callers each has its own block. Among the lines of one caller, or of none, a headline
whose report did not go on is kept until its rest comes. The two belong together by what both say: the task,
the address that faulted, the place that was executing. A rest that contradicts its headline is another's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from keepsane.kernel.log.block import Opening
from keepsane.kernel.log.groups import task_of
from keepsane.kernel.log.kinds import find_opening
from keepsane.kernel.log.open_block import DIE_RANK, Begun, OpenBlock
from keepsane.model import Frame, LogRecord, Task

MAX_HALVES = 8
MAX_LINES_BETWEEN = 400
"""Behind its headline the rest of a report is not waited for any longer."""

_CLAIM = re.compile(
    r"BUG: (?:spinlock|rwlock) .{1,40}? on CPU#(?P<cpu>\d{1,5}), .{1,32}?/(?P<pid>\d{1,10})\b"
    r"|WARNING: CPU: (?P<cpu_>\d{1,5}) PID: (?P<pid_>\d{1,10}) at "
    r"|BUG: scheduling while atomic: .{1,40}?/(?P<pid__>\d{1,10})/0x"
)
_ADDRESS = re.compile(
    r".{0,80}?(?:address:? |request at |dereference at )(?:virtual address )?"
    r"(?:0x)?(?P<address>[0-9a-fA-F]{8,16})\b"
)


class Halves:
    """Keeps headlines, and joins them with what other blocks turn out to hold."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._kept: list[OpenBlock] = []

    def keep(self, block: OpenBlock) -> Iterator[OpenBlock]:
        """Keep a headline; yields the oldest one where they are too many."""
        self._kept.append(block)
        if len(self._kept) > MAX_HALVES:
            yield self._kept.pop(0)

    def overdue(self, line: int) -> Iterator[OpenBlock]:
        """Give those whose rest can no longer be expected at this line of the log."""
        while self._kept and line - self._kept[0].records[-1].line > MAX_LINES_BETWEEN:
            yield self._kept.pop(0)

    def all(self) -> Iterator[OpenBlock]:
        """Give all that are left: the log or the boot is over."""
        while self._kept:
            yield self._kept.pop(0)

    def awaiting(self, opening: Opening, record: LogRecord) -> OpenBlock | None:
        """Give the last headline of the same caller that goes on with a line of die()."""
        own = (half for half in reversed(self._kept) if half.awaits and half.caller == record.caller)
        found = next((half for half in own if half.continues(opening, record)), None)
        if found is not None:
            self._kept.remove(found)
        return found

    def settled(self, block: OpenBlock) -> tuple[OpenBlock, ...]:
        """Give the blocks that the lines of one really are: itself, or its rest with another headline."""
        if block.reader.task is None and block.reader.ip is None and not block.reader.begun:
            return (block,)
        half = next((half for half in reversed(self._kept) if _fits(half, block)), None)
        if half is None:
            return _orphaned(block) if _contradicts(claim(block), block) else (block,)
        self._kept.remove(half)
        head, rest = _divided(block)
        records = sorted((*half.records, *rest), key=lambda record: record.line)
        joined = _rebuilt((*half.opened, *_general(block)), records)
        return (joined,) if head is None else (joined, head)


def is_half(block: OpenBlock) -> bool:
    """Tell whether the rest of a block may still come behind lines of other CPUs."""
    if block.reader.begun or block.reader.closed:
        return False
    alone = block.reader.task is None and claim(block) is not None
    return block.awaits or alone


def claim(block: OpenBlock) -> Task | None:
    """Give the task that a headline names, None where it names none."""
    return next(filter(None, (task_of(_CLAIM.match(record.text)) for _, _, record in block.opened)), None)


def _fits(half: OpenBlock, block: OpenBlock) -> bool:
    """Tell whether the rest of a block is that of a headline: they agree in something and in all."""
    named = claim(half)
    if half.caller != block.caller or _contradicts(named, block):
        return False
    own = claim(block)
    if own is not None and not _contradicts(own, block) and block.reader.task is not None:
        return False
    task, address = block.reader.task, _faulted(half)
    same_task = named is not None and task is not None and task.pid is not None and named.pid == task.pid
    same_address = address is not None and address == _cr2(block)
    return same_task or same_address or _place(half.reader.ip) in (_places(block) - {None})


def _contradicts(named: Task | None, block: OpenBlock) -> bool:
    task = block.reader.task
    return named is not None and task is not None and task.pid is not None and named.pid != task.pid


def _faulted(block: OpenBlock) -> int | None:
    found = (_ADDRESS.match(record.text) for opening, _, record in block.opened if opening.awaits)
    return next((int(match["address"], 16) for match in found if match), None)


def _cr2(block: OpenBlock) -> int | None:
    return next((register.value for register in block.reader.registers if register.name == "CR2"), None)


def _place(frame: Frame | None) -> tuple[str, int] | None:
    if frame is None or not frame.function or frame.offset_bytes is None:
        return None
    return frame.function, frame.offset_bytes


def _places(block: OpenBlock) -> set[tuple[str, int] | None]:
    """Give where a block was executing: its instruction pointer, or the first frame of its first stack."""
    body = block.reader.finish()
    first = body.stacks[0].frames[0] if body.stacks else None
    return {_place(body.ip), _place(first)}


def _general(block: OpenBlock) -> tuple[Begun, ...]:
    """Give the openings of a block that are no headline of its own."""
    return tuple(begun for begun in block.opened if begun[0].rank <= DIE_RANK)


def _divided(block: OpenBlock) -> tuple[OpenBlock | None, list[LogRecord]]:
    """Divide a block into its headline with the lines that are only its own, and the rest."""
    heads = tuple(begun for begun in block.opened if begun[0].rank > DIE_RANK and not begun[0].alone)
    if not heads:
        return None, block.records
    own = [record for record in block.records if _is_own(heads, record)]
    return _rebuilt(heads, own), [record for record in block.records if record not in own]


def _is_own(heads: Iterable[Begun], record: LogRecord) -> bool:
    return any(
        record is opened or (opening.own is not None and opening.own.match(record.text) is not None)
        for opening, _, opened in heads
    )


def _orphaned(block: OpenBlock) -> tuple[OpenBlock, ...]:
    """Divide a block whose rest is another task's, whose headline the log does not have."""
    head, rest = _divided(block)
    found = find_opening(rest[0].text.lstrip()) if rest else None
    if head is None or found is None or not found[0].alone:
        return (block,)
    return head, _rebuilt(((*found, rest[0]), *_general(block)), rest)


def _rebuilt(opened: Iterable[Begun], records: Iterable[LogRecord]) -> OpenBlock:
    """Read the lines of a block once more, as if they had come without others between them."""
    first, *further = opened
    others = {begun[2]: begun for begun in further}
    fresh = OpenBlock.begin(*first)
    for record in records:
        if record in others:
            fresh.add(*others[record])
        elif record is not first[2]:
            fresh.reread(record)
    fresh.records.sort(key=lambda record: record.line)  # another's opening may stand before the first
    return fresh
