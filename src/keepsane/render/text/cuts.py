# SPDX-License-Identifier: GPL-2.0-or-later
"""What may be left out of an event where there is no room, a function for each; each says what went."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import accumulate, takewhile
from typing import NamedTuple, TypeGuard

from keepsane.kernel.log.culprit import only_reports, only_samples
from keepsane.model import Frame
from keepsane.render.elements import Entry, Facts, Line, Part, Piece, Pieces, Run, Section, line
from keepsane.render.text.forms import FORMS
from keepsane.render.text.writer import Writer
from keepsane.words import counted, size_words

AROUND_TRAP = 3
"""Instructions kept before the one that trapped; behind it one."""
MOST_SHARES, MOST_ROWS = 4, 3


class Gone(NamedTuple):
    """What was left out: how many of a thing, and what it is called where it is one, and several."""

    number: int
    thing: str
    things: str = ""

    def words(self) -> str:
        """Say it; what is called by its own name has no number."""
        named = self.thing.startswith(("the ", "what ", "how "))
        return self.thing if named else counted(self.number, self.thing, self.things)


OUTER = Gone(0, "outer frame")


class Cut(NamedTuple):
    """An event and what was left out of it."""

    event: Section
    gone: Gone


def rows_of(parts: Iterable[Part], writer: Writer) -> int:
    """Count the lines that parts take on a terminal of the writer's width."""
    return sum(max(1, -(-len(text) // writer.columns)) for text in writer.lines(parts))


def is_about_memory(event: Section) -> bool:
    """Tell whether an event accounts for memory."""
    return any(isinstance(part, Section) and part.head.kind == "account" for part in event.parts)


def modules(event: Section, writer: Writer) -> Cut:
    """Leave out the modules: a name that matters is in a frame or a finding."""
    return Cut(_without_row(event, "modules"), Gone(len(_listed(event, "modules").split()), "module"))


def registers(event: Section, writer: Writer) -> Cut:
    """Leave out the registers but those of which there is something to say."""
    return Cut(_without_row(event, "registers"), Gone(len(_listed(event, "registers")), "the registers"))


def code_bytes(event: Section, writer: Writer) -> Cut:
    """Leave out bytes that nothing could decode."""
    return Cut(_without_row(event, "code"), Gone(len(_listed(event, "code")), "the code bytes"))


def unsure_frames(event: Section, writer: Writer) -> Cut:
    """Leave out frames that the kernel itself is not sure of."""
    certain = [part for part in event.parts if _is_stack(part) and not all(map(_is_unsure, part.parts))]
    if not certain:
        return Cut(event, Gone(0, "`?` frame"))  # they are all there is
    cut = _dropped(event, _is_unsure, "`?` frame")
    return cut._replace(event=replace(cut.event, parts=tuple(filter(_has_parts, cut.event.parts))))


def _has_parts(part: Part) -> bool:
    return not _is_stack(part) or bool(part.parts)


def references(event: Section, writer: Writer) -> Cut:
    """Leave out what to read further."""
    return _dropped(event, lambda part: isinstance(part, Line) and part.kind == "reference", "reference")


def accounts(event: Section, writer: Writer) -> Cut:
    """Leave out the account of the zones: the finding says what came of it."""
    return _dropped(
        event, lambda part: isinstance(part, Section) and part.head.kind == "account", "what each zone had"
    )


def reporting_frames(event: Section, writer: Writer) -> Cut:
    """Leave out of each stack what stands inside of the fault: it found, checked and printed."""
    return _in_sections(
        event,
        "stack",
        lambda entries: entries[_reporting(entries) :],
        ("frame of the report itself", "frames of the report itself"),
    )


def _reporting(entries: tuple[Part, ...]) -> int:
    """
    Count the innermost frames that only reported.

    Up to a frame that was executing these are the trap's or the tick's too, but nothing else: an interrupt
    that stands in a stack interrupted somebody who has no part in what it did then.
    """
    frames = [part.frame if isinstance(part, Entry) else None for part in entries]
    sampled = _leading(frames, only_samples)
    executing = frames[sampled] if sampled < len(frames) else None
    if executing is not None and executing.role == "ip":
        return sampled
    reporting = _leading(frames, only_reports)
    return reporting if reporting < len(frames) else 0


def _leading(frames: Iterable[Frame | None], is_one: Callable[[Frame], bool]) -> int:
    """Count the frames before the first that was executing, or is none of those."""
    inner = takewhile(lambda frame: frame is not None and frame.role != "ip" and is_one(frame), frames)
    return sum(1 for _ in inner)


def far_instructions(event: Section, writer: Writer) -> Cut:
    """Leave out the instructions that are not next to the one that trapped."""

    def near(parts: tuple[Part, ...]) -> tuple[Part, ...]:
        trap = next((at for at, part in enumerate(parts) if _traps(part)), None)
        return parts if trap is None else parts[max(0, trap - AROUND_TRAP) : trap + 2]

    return _in_sections(event, "code", near, ("instruction", ""))


def code(event: Section, writer: Writer) -> Cut:
    """Leave out the instructions altogether."""
    return _dropped(
        event, lambda part: isinstance(part, Section) and part.head.kind == "code", "the instructions"
    )


def _traps(part: Part) -> bool:
    return isinstance(part, Line) and part.kind == "instruction" and part.runs[0].tone == "error"


def sizes_of(event: Section, writer: Writer) -> list[int]:
    """Give the lines that each stack takes."""
    return [rows_of(stack.parts, writer) for stack in event.parts if _is_stack(stack)]


def at_most(sizes: Iterable[int], most: int) -> int:
    """Give the lines that stacks take where each is cut to `most`, and a line says so."""
    return sum(size if size <= most + 1 else most + 1 for size in sizes)


def outer_frames(event: Section, writer: Writer, most: int) -> Cut:
    """Leave out of each stack the outer frames beyond `most` lines."""
    count = 0

    def shorten(part: Part) -> Part:
        nonlocal count
        if not _is_stack(part) or rows_of(part.parts, writer) <= most + 1:
            return part
        sizes = (rows_of((entry,), writer) for entry in part.parts)
        kept = max(1, sum(1 for total in accumulate(sizes) if total <= most))
        count += len(part.parts) - kept
        return _ended(part, kept)

    event = replace(event, parts=tuple(map(shorten, event.parts)))
    return Cut(event, OUTER._replace(number=count))


def _ended(stack: Section, kept: int) -> Section:
    """End a stack behind its innermost frames, and say how far out the rest leads."""
    gone = stack.parts[kept:]
    names = [part.levels[-1].name for part in gone if isinstance(part, Entry) and part.mark != "?"]
    out_to = f", out to {names[-1]}" if names else ""
    more = line("outer", f"... {len(gone)} more{out_to}", "dim")
    return replace(stack, parts=(*stack.parts[:kept], more))


def further_stacks(event: Section, writer: Writer, *, most: int) -> Cut:
    """Leave out all stacks but the first ones."""
    stacks = [part for part in event.parts if _is_stack(part)]
    gone = stacks[most:]
    names = ", ".join(stack.head.runs[0].text for stack in gone[:2]) + (", ..." if len(gone) > 2 else "")
    kept = tuple(part for part in event.parts if part not in gone)
    return Cut(replace(event, parts=kept), Gone(len(gone), f"stack ({names})", f"stacks ({names})"))


def ends_of_quotes(event: Section, writer: Writer) -> Cut:
    """Leave out of what a finding quotes all that takes more than a line: the log has it."""
    count = 0

    def shorten(part: Part) -> Iterable[Part]:
        nonlocal count
        if not isinstance(part, Line) or part.kind != "quote" or rows_of((part,), writer) < 2:
            return (part,)
        count += 1
        where, said, *_ = part.runs
        room = writer.columns - len(FORMS["quote"].first) - len(where.text)
        text = said.text if len(said.text) <= room else said.text[: max(room - 4, 0)].rstrip() + " ..."
        return (part._replace(runs=(where, Run(text))),)

    event = _edited(event, shorten)
    return Cut(event, Gone(count, "the ends of quoted lines"))


def small_shares(event: Section, writer: Writer) -> Cut:
    """Put the smaller parts of a whole together."""
    count = 0

    def largest(part: Part) -> Iterable[Part]:
        nonlocal count
        small = part.parts[MOST_SHARES:] if isinstance(part, Pieces) and not part.pictured else ()
        if not isinstance(part, Pieces) or len(small) < 2:
            return (part,)
        count += len(small)
        size = sum(piece.size for piece in small)
        rest = Piece(counted(len(small), "smaller part"), size, size_words(size))
        return (part._replace(parts=(*part.parts[:MOST_SHARES], rest)),)

    event = _edited(event, largest)
    return Cut(event, Gone(count, "smaller part"))


def further_quotes(event: Section, writer: Writer, *, most: int) -> Cut:
    """Leave out of each finding all quoted lines but the first ones."""

    def first(parts: tuple[Part, ...]) -> tuple[Part, ...]:
        quotes = [part for part in parts if isinstance(part, Line) and part.kind == "quote"]
        return tuple(part for part in parts if part not in quotes[most:])

    return _in_sections(event, "finding", first, ("quoted line", ""))


def further_findings(event: Section, writer: Writer, *, most: int) -> Cut:
    """Leave out of all findings but the first ones everything save the title and what to do."""
    findings = [part for part in event.parts if isinstance(part, Section) and part.head.kind == "finding"]
    gone = findings[most:]
    parts = tuple(
        _titled(part) if isinstance(part, Section) and part in gone else part for part in event.parts
    )
    return Cut(replace(event, parts=parts), Gone(len(gone), "finding's reason", "findings' reasons"))


def _titled(finding: Section) -> Section:
    todo = tuple(
        part for part in finding.parts if isinstance(part, Line | Facts) and part.kind in ("advice", "steps")
    )
    return replace(finding, head=finding.head._replace(kind="also"), parts=todo)


def risks(event: Section, writer: Writer) -> Cut:
    """Leave out how to undo and verify what is advised."""
    gone = False

    def command(part: Part) -> Iterable[Part]:
        nonlocal gone
        if not isinstance(part, Facts) or part.kind != "steps":
            return (part,)
        rows = tuple(row for row in part.rows if row.name in ("needs", "run"))
        gone = gone or len(rows) < len(part.rows)
        return (part._replace(rows=rows),)

    event = _edited(event, command)
    return Cut(event, Gone(int(gone), "how to undo and verify"))


def long_facts(event: Section, writer: Writer) -> Cut:
    """Leave out of what an event says of itself all but the first lines of each fact."""
    count = 0

    def first(part: Part) -> Iterable[Part]:
        nonlocal count
        if not isinstance(part, Facts) or part.kind != "event":
            return (part,)
        rows = []
        for row in part.rows:
            lines = row.text.splitlines()
            count += len(lines[MOST_ROWS:])
            rows.append(row._replace(text="\n".join(lines[:MOST_ROWS])))
        return (part._replace(rows=tuple(rows)),)

    event = _edited(event, first)
    return Cut(event, Gone(count, "row of facts", "rows of facts"))


def _listed(event: Section, name: str) -> str:
    lists = (part for part in event.parts if isinstance(part, Facts) and part.kind == "folded")
    return " ".join(row.text for part in lists for row in part.rows if row.name == name)


def _without_row(event: Section, name: str) -> Section:
    def without(part: Part) -> Iterable[Part]:
        if not isinstance(part, Facts) or part.kind != "folded":
            return (part,)
        return (part._replace(rows=tuple(row for row in part.rows if row.name != name)),)

    return _edited(event, without)


def _is_unsure(part: Part) -> bool:
    if isinstance(part, Section):
        return part.head.kind == "leftover"
    return isinstance(part, Entry) and part.mark == "?"


def _is_stack(part: Part) -> TypeGuard[Section]:
    return isinstance(part, Section) and part.head.kind == "stack"


def _dropped(event: Section, is_gone: Callable[[Part], bool], name: str) -> Cut:
    count = 0

    def keep(part: Part) -> Iterable[Part]:
        nonlocal count
        if not is_gone(part):
            return (part,)
        count += len(part.parts) if isinstance(part, Section) else 1
        return ()

    event = _edited(event, keep)
    return Cut(event, Gone(count, name))


def _edited(section: Section, edit: Callable[[Part], Iterable[Part]]) -> Section:
    """Put in the place of each part what `edit` makes of it, parts of parts first."""
    parts = (_edited(part, edit) if isinstance(part, Section) else part for part in section.parts)
    return replace(section, parts=tuple(new for part in parts for new in edit(part)))


def _in_sections(
    event: Section, kind: str, cut: Callable[[tuple[Part, ...]], tuple[Part, ...]], names: tuple[str, str]
) -> Cut:
    count = 0

    def shorten(part: Part) -> Part:
        nonlocal count
        if not isinstance(part, Section) or part.head.kind != kind:
            return part
        kept = cut(part.parts)
        count += len(part.parts) - len(kept)
        return replace(part, parts=kept)

    parts = tuple(map(shorten, event.parts))
    return Cut(replace(event, parts=parts), Gone(count, *names))
