# SPDX-License-Identifier: GPL-2.0-or-later
"""An event as elements: what happened to whom, its findings, where, then the bytes and registers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, pairwise

from keepsane.kernel.log.demangle import demangled
from keepsane.model import Code, Edge, Event, Frame, Instruction, SourceLine, Stack
from keepsane.render.elements import (
    Entry,
    Fact,
    Facts,
    Level,
    Line,
    Part,
    Piece,
    Pieces,
    Run,
    Section,
    Source,
    Table,
    facts,
    line,
    section,
)
from keepsane.render.value_words import frame_name
from keepsane.render.words import again_words, event_facts
from keepsane.words import counted

CONTEXT_LINES = 3
_SELF_EVIDENT = frozenset({"direct", "inlined", "exception"})


def event_section(
    event: Event, findings: Iterable[Section], *, boot: bool = False, alike: Sequence[Event] = ()
) -> Section:
    """
    Give one event with the findings that stand with it.

    `boot` says in which boot it happened; `alike` are later events of which it says all.
    """
    said = tuple(
        Fact(name, text, "warning" if name == "damaged" else "") for name, text in event_facts(event, alike)
    )
    last = str(event.last_line) if event.last_line != event.line else None
    where = facts("more", ("last line", last), ("boot", str(event.boot) if boot else None))
    parts = (Facts("event", said), *where, *findings, *account_parts(event), *_body(event))
    frames = (frame for stack in event.stacks for frame in stack.frames)
    widest = max((len(frame_name(frame)) for frame in frames if frame.locations), default=30)
    return Section(_head(event), parts, line=event.line, widest=widest)


def titled_section(event: Event, findings: Iterable[Section], *, alike: Sequence[Event] = ()) -> Section:
    """Give no more of an event than its title, when it came again, and the titles of its findings."""
    titles = (replace(found, head=found.head._replace(kind="also"), folded=True) for found in findings)
    return Section(
        _head(event), (*facts("event", ("again", again_words(event, alike))), *titles), line=event.line
    )


def _head(event: Event) -> Line:
    return Line("event", (Run(event.title, "error"), Run(f"line {event.line}", "dim")))


def account_parts(event: Event) -> Iterator[Section]:
    """Give the account of a failed allocation: where the free memory was as a picture, then zone by zone."""
    ledger = getattr(event, "ledger", None)
    if ledger is None:
        return
    # Imported for these alone: most reports are of other kinds.
    from keepsane.kernel.pages.ledger_table import ledger_table, losses_words

    table = ledger_table(ledger)
    if table is None:
        return
    picture = tuple(Piece(name, pages, counted(pages, "page")) for name, pages in losses_words(ledger))
    title = "What each zone had for this request, in pages (it needs more than 0 over)"
    yield section("account", title, "title", Pieces(picture, pictured=True), Table(*table))


def _body(event: Event) -> Iterator[Part]:
    ip = event.ip
    if ip is not None:
        link = () if event.link is None or _is_in_a_stack(event, event.link) else (_link(event.link),)
        yield section("where", "Where it was", "title", _entry(ip, opened=True), *link)
    opened = None if ip is not None and _has_source(ip) else _first_with_source(event)
    yield from (stack_section(stack, event, opened) for stack in event.stacks)
    if event.code is not None:
        yield from _code(event.code, _place(ip.locations[0]).text if ip is not None and ip.locations else "")
    registers = " ".join(f"{register.name}={register.value:x}" for register in event.registers)
    yield from facts("folded", ("registers", registers))
    known = [register for register in event.registers if register.meaning]
    yield from facts(
        "event",
        *(
            ("register" if at == 0 else "", f"{register.name} {register.value:#x}: {register.meaning}")
            for at, register in enumerate(known)
        ),
    )
    yield from facts("folded", ("modules", " ".join(event.modules)))


def _link(frame: Frame) -> Entry:
    """Give where the function would have returned to, which a machine with a link register knows."""
    return replace(_entry(frame, opened=False), mark="lr")


def _is_in_a_stack(event: Event, link: Frame) -> bool:
    frames = (frame for stack in event.stacks for frame in stack.frames)
    return any((frame.function, frame.offset_bytes) == (link.function, link.offset_bytes) for frame in frames)


def _code(code: Code, here: str) -> Iterator[Part]:
    """Give the instructions, else the bytes; beside the trapping one stands its source line."""
    if not code.instructions:
        yield from facts("folded", ("code", code.data.hex(" ")))
        return
    lines = (_instruction(instruction, here) for instruction in code.instructions)
    trap = f", the trap at byte {code.trap_bytes}" if code.trap_bytes is not None else ""
    about = line("more", f"line {code.line}, {len(code.data)} bytes{trap}", "dim")
    title = f"Code, as {code.file} has it" if code.file else "Code"
    yield section("code", title, "title", about, *lines)


def _instruction(one: Instruction, here: str) -> Line:
    said = f"{'->' if one.trapping else '  '} {one.offset_bytes:+5d}  {one.raw.hex(' '):<30}  {one.text}"
    if not one.trapping:
        return line("instruction", said, "dim")
    return Line("instruction", (Run(said, "error"), Run(f"    {here}" if here else "")))


def _has_source(frame: Frame) -> bool:
    return any(location.text for location in frame.locations)


def _first_with_source(event: Event) -> Frame | None:
    frames = (frame for stack in event.stacks for frame in stack.frames if frame.reliable)
    return next(filter(_has_source, frames), None)


def stack_section(stack: Stack, event: Event, opened: Frame | None = None) -> Section:
    """Give a stack, innermost frame first; frames left over from one earlier path are folded."""
    repeated = next((frame for frame in stack.frames[:1] if _repeats_ip(event, frame)), None)
    parts: list[Part] = []
    for group, members in groupby(stack.frames, key=lambda frame: frame.edge.group if frame.edge else ""):
        entries: list[Entry] = []
        for frame in members:
            entries += () if frame is repeated else _missing(frame)
            entries.append(_entry(frame, frame is opened, frame is repeated))
        parts += [Section(line("leftover", group), tuple(entries), folded=True)] if group else entries
    return section("stack", stack.name, "title", *parts)


def _repeats_ip(event: Event, frame: Frame) -> bool:
    """Tell whether a frame is the one that was just written (arm64 prints it twice)."""
    ip = event.ip
    return ip is not None and (frame.function, frame.offset_bytes) == (ip.function, ip.offset_bytes)


def _missing(frame: Frame) -> Iterator[Entry]:
    """
    Give the functions between a frame and the one above it that no trace can show, innermost first.

    Where several chains of jumps fit, the edge has no hops: nothing is put into the trace.
    """
    if frame.edge is None or frame.edge.verdict != "tail-call":
        return
    for hop, following in reversed(tuple(pairwise(frame.edge.via))):
        if hop.function:
            place, source = _place(following.source), _source(following.source)
            level = Level(demangled(hop.function), place, "not in the log: it jumped on", source)
            yield Entry(None, "+", (level,))


def _entry(frame: Frame, opened: bool, repeated: bool = False) -> Entry:
    inner, outer = frame.locations[:-1], frame.locations[-1] if frame.locations else None
    levels = [Level(at.function, _place(at), "inlined into", _source(at)) for at in inner]
    # Why a whole file is not used is said once, at the top or the end; each frame's note stays in JSON.
    note = "" if frame.file_unused else frame.note
    return Entry(
        frame,
        "ip" if frame.role == "ip" else "" if frame.reliable else "?",
        (*levels, Level(frame_name(frame), _place(outer), note, _source(outer))),
        _reason(frame),
        repeated=repeated,
        opened=opened,
    )


def _reason(frame: Frame) -> str:
    """Say what is not evident: every `?` frame, every call through a pointer, every doubt."""
    edge = frame.edge
    if edge is None or (frame.reliable and edge.verdict in _SELF_EVIDENT):
        return ""
    # What all frames have in common is said once, what the frame's note says beside its name.
    return f"{edge.verdict}: {edge.why}" if edge.judged and edge.why != frame.note else ""


def more_of(frame: Frame) -> Iterator[Part]:
    """Give what there is to a frame beside its rows and source: how its caller got there, its address."""
    if frame.edge is not None:
        yield from _edge(frame.edge, _place(frame.locations[0]) if frame.locations else Run(""))
    yield from facts(
        "more",
        ("address", f"{frame.address:#x}" if frame.address is not None else None),
        ("build-id", frame.build_id),
        ("kind", "an address that only lay on the stack" if frame.role == "pointer" else None),
    )


def _edge(edge: Edge, called_in: Run) -> Iterator[Part]:
    yield Line("edge", (Run(edge.verdict, "title"), Run(f": {edge.why}" if edge.why else "")))
    if edge.instruction:
        yield _spaced(Run(edge.at, "dim"), Run(edge.instruction, "source"), called_in)
    for hop in edge.via:
        names = (demangled(hop.function) if hop.function else "", hop.name or "")
        yield _spaced(Run(hop.kind, "dim"), *(Run(name, "source") for name in names), _place(hop.source))
        if source := _source(hop.source):
            yield source


def _spaced(*runs: Run) -> Line:
    """Put those runs that say something on a line, with blanks between."""
    said = [run for run in runs if run.text]
    return Line("edge", tuple(part for run in said for part in (Run(" "), run))[1:])


def _place(location: SourceLine | None) -> Run:
    """Give `file:line:column` as far as it is known, with the file that was read."""
    if location is None or location.file is None:
        return Run("")
    line = f":{location.line}" if location.line else ""
    column = f":{location.column}" if location.line and location.column else ""
    return Run(location.file + line + column, "place", location.text.path if location.text else "")


def _source(location: SourceLine | None) -> Source | None:
    """Quote the source around a place, and say which file it was read from."""
    if location is None or location.text is None or location.line is None:
        return None
    text, here = location.text, location.line
    near = (
        (at, code.expandtabs(8))
        for at, code in enumerate(text.lines, text.first_line)
        if abs(at - here) <= CONTEXT_LINES
    )
    caption = f"{location.function}, read from {text.path}" if text.path else location.function
    return Source(tuple(near), here, caption)
