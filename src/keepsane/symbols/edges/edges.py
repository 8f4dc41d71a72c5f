# SPDX-License-Identifier: GPL-2.0-or-later
"""
Why is this frame here? Every frame gets one verdict of docs/reference/json.md, read from the bytes.

An edge belongs to the frame whose return address it explains: it says how the call before that address led
to the frame above.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from keepsane.errors import KeepsaneError, SymbolError
from keepsane.kernel.events.task_dump import TaskDump
from keepsane.kernel.log.machinery import EXCEPTION_ENTRIES, STACK_PRINTERS
from keepsane.model import Edge, Event, Frame, Hop, Kernel, SourceLine, Stack
from keepsane.symbols.binary.elf import EM_AARCH64, EM_X86_64
from keepsane.symbols.binary.image import Image
from keepsane.symbols.calls.call_text import call_text
from keepsane.symbols.code.text import Function, Place, Text, function_at
from keepsane.symbols.edges.draft import Draft, Reader, open_reader
from keepsane.symbols.edges.edge_cache import keep_edges, recall_edges, subject_of
from keepsane.symbols.edges.leftovers import Marked, judge_leftovers
from keepsane.symbols.edges.not_judged import not_judged
from keepsane.symbols.edges.one_call import judge_call
from keepsane.symbols.edges.proc_ops import settle_proc_table
from keepsane.symbols.lines.locate import fits
from keepsane.symbols.lines.names import made_at_run_time

_MACHINES = {EM_X86_64: "x86_64", EM_AARCH64: "arm64"}


def judge_edges(
    events: Sequence[Event], images: Mapping[str | None, Image], kernel: Kernel
) -> tuple[Event, ...]:
    """
    Give every frame of every event its edge.

    `images` holds vmlinux under None and the modules by name, those at hand; a frame of another has the
    verdict `unknown` and the reason. Missing frames are not put into the stacks: they are the hops of
    `Edge.via`.

    Raises SymbolError where the files are not of the log's architecture, or not of x86-64 or arm64;
    MissingExtraError without capstone.
    """
    if not images:
        return tuple(not_judged(event, "no vmlinux and no module at hand") for event in events)
    _refuse_other_machines(images, kernel)
    asked = {
        subject_of(event, stack, _ip_of(event, stack), kernel.offset_bytes): (event, stack)
        for event in events
        for stack in event.stacks
    }
    edges = recall_edges(images, {subject: len(stack.frames) for subject, (_, stack) in asked.items()})
    missing = {subject: pair for subject, pair in asked.items() if subject not in edges}
    fresh = _judge_stacks(images, kernel, missing)
    keep_edges(images, fresh)
    return tuple(_with_edges(event, kernel, {**edges, **fresh}) for event in events)


def _refuse_other_machines(images: Mapping[str | None, Image], kernel: Kernel) -> None:
    machines = {image.elf.machine for image in images.values()}
    if len(machines) > 1 or not machines <= _MACHINES.keys():
        raise SymbolError(f"calls can be read in the code of {' and '.join(_MACHINES.values())} alone")
    (machine,) = machines
    if kernel.arch not in (None, _MACHINES[machine]):
        raise SymbolError(f"the log is of {kernel.arch}, the files are of {_MACHINES[machine]}")


def _with_edges(event: Event, kernel: Kernel, edges: Mapping[str, Sequence[Edge]]) -> Event:
    stacks = []
    for stack in event.stacks:
        of_stack = edges[subject_of(event, stack, _ip_of(event, stack), kernel.offset_bytes)]
        frames = zip(stack.frames, of_stack, strict=True)
        stacks.append(replace(stack, frames=tuple(replace(frame, edge=edge) for frame, edge in frames)))
    ip = None if event.ip is None else replace(event.ip, edge=_edge(event.ip, _TRAPPED, {}, {}))
    return replace(event, stacks=tuple(stacks), ip=ip)


def _judge_stacks(
    images: Mapping[str | None, Image], kernel: Kernel, asked: Mapping[str, tuple[Event, Stack]]
) -> dict[str, tuple[Edge, ...]]:
    if not asked:
        return {}
    reader = open_reader(Text(images))
    drafts = {
        subject: _judge_stack(reader, event, stack, kernel) for subject, (event, stack) in asked.items()
    }
    judged = [draft for of_stack in drafts.values() for draft in of_stack]
    lines, calls = _lines(reader, judged), _calls(reader, judged)
    return {
        subject: tuple(
            _edge(frame, draft, lines, calls)
            for frame, draft in zip(asked[subject][1].frames, of_stack, strict=True)
        )
        for subject, of_stack in drafts.items()
    }


def _ip_of(event: Event, stack: Stack) -> Frame | None:
    """The frame above a stack that the log prints with the registers, None where the stack has it."""
    ip, frames = event.ip, stack.frames
    if ip is None or stack is not event.stacks[0] or not frames:
        return None
    return None if frames[0].role == "ip" or ip.line > frames[0].line else ip


_TRAPPED = Draft("exception", (), "it was executing here")


class _Call(NamedTuple):
    """A call in words: the instruction, and where it stands."""

    instruction: str
    at: str


_NO_CALL = _Call("", "")


def _calls(reader: Reader, drafts: Iterable[Draft]) -> dict[Place, _Call]:
    """Write every call that is spoken of, each once."""
    found: dict[Place, _Call] = {}
    for call, branch in {draft.call: draft.branch for draft in drafts}.items():
        inside = function_at(reader.text, call) if call is not None else None
        if call is not None and branch is not None:
            # What an alternative puts in place stands in a section of its own, inside of no function.
            at = f"{inside.name}+{branch.insn.address - inside.address:#x}" if inside is not None else ""
            found[call] = _Call(call_text(reader.text, reader.tables.data, call.module, branch), at)
    return found


def _edge(
    frame: Frame, draft: Draft, lines: Mapping[Place, SourceLine], calls: Mapping[Place, _Call]
) -> Edge:
    verdict = draft.verdict
    # The call itself stands in a function that was inlined into the one the log names.
    if verdict == "direct" and frame.reliable and len(frame.locations) > 1:
        verdict = "inlined"
    hops = tuple(
        Hop(kind=hop.kind, function=hop.function, name=hop.name, source=lines.get(hop.at) if hop.at else None)
        for hop in draft.via
    )
    instruction, at = calls.get(draft.call, _NO_CALL) if draft.call is not None else _NO_CALL
    return Edge(
        verdict=verdict,
        via=hops,
        why=draft.why,
        group=draft.group,
        instruction=instruction,
        at=at,
        form=draft.form,
    )


def _lines(reader: Reader, drafts: Iterable[Draft]) -> dict[Place, SourceLine]:
    """Look up the source line of every hop, each image once."""
    wanted = {hop.at for draft in drafts for hop in draft.via if hop.at is not None and hop.at.address}
    found = {}
    for module, image in reader.text.images.items():
        places = [place for place in wanted if place.module == module]
        try:
            chains = image.locate([place.address for place in places if place.address is not None])
        except KeepsaneError:
            continue  # without DWARF the hops have no lines, as the frames have none
        for place in places:
            chain = chains.get(place.address or 0)
            if chain:
                found[place] = chain[0]
    return found


def _judge_stack(reader: Reader, event: Event, stack: Stack, kernel: Kernel) -> list[Draft]:
    frames, ip = stack.frames, _ip_of(event, stack)
    functions = [candidates(reader.text, frame, kernel) for frame in frames]
    drafts: dict[int, Draft] = {}
    inner: tuple[Frame | None, Sequence[Function]] = (ip, candidates(reader.text, ip, kernel) if ip else ())
    for index, frame in enumerate(frames):
        if frame.reliable:
            drafts[index] = _judge_frame(reader, frame, functions[index], *inner)
            inner = (frame, functions[index])
    for inner_at, outer_at in pairwise(list(drafts)):
        drafts[outer_at] = settle_proc_table(reader, drafts[outer_at], drafts[inner_at])
    marked = [Marked(frame, functions[index], drafts.get(index)) for index, frame in enumerate(frames)]
    leftovers = judge_leftovers(reader, marked, _why_unjudged(event, stack))
    return [leftovers[index] if index in leftovers else drafts[index] for index in range(len(frames))]


def _why_unjudged(event: Event, stack: Stack) -> str:
    """Why the `?` frames of a stack must not be judged, "" where they may be."""
    if event.damage:
        return f"the report is damaged: {event.damage}"
    if event.kind in ("stack-overflow", "double-fault"):
        return "the stack overflowed or is corrupted"
    if isinstance(event, TaskDump) and event.state == "R":
        return "the task was running while its stack was read"
    if not any(frame.reliable for frame in stack.frames):
        return "every frame is marked ?, as a kernel without a reliable unwinder prints them"
    return ""


def candidates(text: Text, frame: Frame, kernel: Kernel) -> tuple[Function, ...]:
    """List the functions that a frame may name: of several with the name those of the size printed."""
    if frame.module not in text.images:
        return ()
    if frame.function is None:
        return _bare(text, frame, kernel)
    name = frame.function
    image = text.images[frame.module]
    found = [symbol for symbol in image.symbols([name])[name] if fits(symbol, frame.size_bytes)]
    return tuple(Function(frame.module, symbol.name, symbol.address, symbol.size_bytes) for symbol in found)


def _bare(text: Text, frame: Frame, kernel: Kernel) -> tuple[Function, ...]:
    if not frame.address or frame.module is not None:
        return ()
    found = function_at(
        text, Place(None, frame.address - (kernel.offset_bytes or 0) - (frame.role == "return"))
    )
    return (found,) if found is not None else ()


def return_address(frame: Frame, function: Function, kernel_offset_bytes: int = 0) -> int:
    """Give the address in the file that a frame returns to."""
    if frame.function is None:
        return (frame.address or 0) - kernel_offset_bytes
    return function.address + (frame.offset_bytes or 0)


def _judge_frame(
    reader: Reader,
    frame: Frame,
    functions: Sequence[Function],
    inner: Frame | None,
    callees: Sequence[Function],
) -> Draft:
    if frame.role == "ip":
        return _interrupted(inner)
    if not functions:
        return Draft("unknown", (), _why_no_code(reader, frame))
    # Since 5.8 asm_common_interrupt is the entry, and calls common_interrupt, which was one before.
    if inner is not None and _is_entry(inner) and not _is_entry(frame):
        return Draft("exception", (), f"{inner.function} interrupted it")
    drafts = [
        _judge_pair(reader, frame, function, inner, callee)
        for function in functions
        for callee in callees or (None,)
    ]
    known = {(draft.verdict, draft.why): draft for draft in drafts if draft.verdict != "unknown"}
    if len(known) > 1:
        return Draft(
            "unknown", (), "several functions have the names in these frames, and more than one fits"
        )
    return next(iter(known.values()), drafts[0])


def _is_entry(frame: Frame) -> bool:
    return (frame.function or "") in EXCEPTION_ENTRIES


def _judge_pair(
    reader: Reader, frame: Frame, function: Function, inner: Frame | None, callee: Function | None
) -> Draft:
    address = return_address(frame, function)
    draft = judge_call(reader, function, address, callee)
    if draft is None:
        return Draft("unknown", (), "no form of the bytes before this address is a call")
    if callee is None and inner is not None:
        return _to_unknown(draft, inner)
    if inner is None and (frame.function or "") in STACK_PRINTERS:
        return draft._replace(verdict="reporter", why=f"it made this report: {draft.why}")
    return draft


def _to_unknown(draft: Draft, inner: Frame) -> Draft:
    """Judge a call to a frame whose code is not at hand."""
    if any(hop.kind == "trampoline" for hop in draft.via):
        return draft  # what a hook leads to is made at run time
    if inner.function is None:
        return (
            draft
            if draft.verdict == "indirect"
            else draft._replace(verdict="unknown", via=(), why=f"{draft.why}, not {inner.address:#x}")
        )
    called = next((hop.function for hop in draft.via), None)
    if called == inner.function:
        return draft
    why = f"{draft.why}; the code of {inner.function} is not at hand"
    return draft._replace(verdict="unknown", via=(), why=why)


def _interrupted(inner: Frame | None) -> Draft:
    if inner is None:
        return _TRAPPED
    return Draft("exception", (), f"it was executing here when {inner.function or 'an exception'} came")


def _why_no_code(reader: Reader, frame: Frame) -> str:
    said = frame.note or made_at_run_time(frame.function, frame.module)
    if said:
        return said
    if frame.module not in reader.text.images:
        return "no vmlinux at hand" if frame.module is None else f"no {frame.module}.ko at hand"
    return "the file has no such function"
