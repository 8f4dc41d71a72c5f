# SPDX-License-Identifier: GPL-2.0-or-later
"""
A block is the run of lines that make one report; an opening is the line that begins one.

Every kind of report has its own file with its openings, its Event and its parse function. `build` fills in
what all events share and what the groups of its patterns say, so that a parse function only says what is
particular to its kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, TypeVar

from keepsane.kernel.log.architecture import architecture
from keepsane.kernel.log.body import Body
from keepsane.kernel.log.groups import Groups, said
from keepsane.kernel.log.stacks import MAX_FRAMES
from keepsane.model import Event, Kind, LogRecord

PRELUDE = 10
"""The rank of a line that stands before `cut here` (9): "list_del corruption ...", then the BUG."""


class Opening(NamedTuple):
    """
    The line that begins a report of one kind.

    `pattern` is matched at the start of the line's text. One report may print several openings, the general
    ones after the particular ones ("refcount_t: underflow", "WARNING: CPU: 0 ...", or "kernel BUG at ...",
    "invalid opcode: 0000 [#1]"): a line of lower `rank` continues a block whose body has not begun. `own`
    matches the further lines only this kind prints. `joins` names the openings whose block this one continues
    at any time, as a stack of its own called by group `stack`. One that is `alone` begins a report only where
    no open block takes the line for its own, and one that `renews` begins another after a complete one of
    that kind: one dump_stack() after the other. `detail_of` names the openings in whose block it begins none
    but is a line like others. One that is `first` begins a report only as the first line of a log.
    One that `awaits` is followed by the line of die(), if need be behind lines of others.
    """

    name: str
    pattern: re.Pattern[str]
    parse: Callable[[Block], Event | None]
    rank: int = 2
    own: re.Pattern[str] | None = None
    joins: frozenset[str] = frozenset()
    alone: bool = False
    renews: bool = False
    detail_of: frozenset[str] = frozenset()
    first: bool = False
    awaits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """
    The lines of one report with its common parts read.

    `opening` is the one whose parse function is being asked, `head` its match; `openings` names all that
    the block holds. `cut` is True where the log ended inside the block, `mixed` where two tasks said who they
    are before either's stack came: whose the lines behind them are cannot be told, and `body` lacks them.
    """

    opening: Opening
    head: re.Match[str]
    head_record: LogRecord
    openings: tuple[str, ...]
    records: tuple[LogRecord, ...]
    body: Body
    cut: bool
    mixed: bool = False

    @property
    def behind_head(self) -> tuple[LogRecord, ...]:
        """Give the records behind the head; a number of a line does not tell, since several may share one."""
        return below(self.head_record, self.records)

    def find(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Give the first match of `pattern` at the start of a line of the block."""
        return next(self.find_all(pattern), None)

    def find_all(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Yield the match of every line of the block at whose start `pattern` stands."""
        for record in self.records:
            found = pattern.match(record.text)
            if found is None and record.text[:1].isspace():
                found = pattern.match(record.text.lstrip())  # a log pasted into a mail is indented
            if found is not None:
                yield found


def below(one: LogRecord, records: tuple[LogRecord, ...]) -> tuple[LogRecord, ...]:
    """Give the records behind one of them."""
    places = (place for place, record in enumerate(records) if record is one)
    return records[next(places, len(records)) + 1 :]


END_TRACE = re.compile(r"---\[ end trace ")
_COMMON = frozenset(field.name for field in fields(Event))


E = TypeVar("E", bound=Event)


def titled(what: str, function: str | None) -> str:
    """Write a title: `what`, and ` in FUNCTION` where the function is known."""
    return f"{what} in {function}" if function else what


def build(
    cls: type[E],
    block: Block,
    kind: Kind,
    title: str,
    *found: Groups,
    damage: str | None = None,
    needs_end: bool = False,
    **own: Any,
) -> E:
    """
    Build an event of class `cls` from a block: what every report says, and the class's own fields.

    Those are filled by the groups of the head and of the matches `found`, and by `own`, which may also
    override a common field (a hung task is not the task that printed the report).
    """
    body = block.body
    common: dict[str, Any] = {
        "kind": kind,
        "title": title,
        "line": block.records[0].line,
        "last_line": block.records[-1].line,
        "task": body.task,
        "release": body.release,
        "build_id": body.build_id,
        "arch": architecture(block.records, body.stacks),
        "taint": body.taint,
        "ip": body.ip,
        "link": body.link,
        "registers": body.registers,
        "code": body.code,
        "stacks": body.stacks,
        "modules": body.modules,
        "damage": damage_of(block, needs_end=needs_end) if damage is None else damage,
        "records": block.records,
    }
    # The groups of a symbol may be called as a common field is: its module's build id is not the kernel's.
    read = {name: value for name, value in said(cls, block.head, *found).items() if name not in _COMMON}
    return cls(**(common | read | own))


def damage_of(block: Block, *, needs_end: bool = False) -> str:
    """
    Say in words what a report lacks; "" where it is whole.

    `needs_end` is for reports that close with `---[ end trace`: without it the rest is missing.
    """
    body = block.body
    ended = body.ended or block.find(END_TRACE) is not None
    lacks = []
    if not body.stacks:
        lacks.append("no call trace")
    if body.task is None and body.stacks and needs_end:
        lacks.append("no line that says which task ran")
    if body.comm_cut:
        lacks.append("the name of the task is cut")
    if needs_end and not ended and "panic" not in block.openings:
        lacks.append("its end is missing (no `---[ end trace`)")
    if body.frames_left_out:
        lacks.append(f"{body.frames_left_out} frames beyond the first {MAX_FRAMES} were left out")
    if block.cut and lacks and not (needs_end and ended):
        lacks.append("the log ends inside this report")
    return "; ".join(lacks)
