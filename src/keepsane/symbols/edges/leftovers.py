# SPDX-License-Identifier: GPL-2.0-or-later
"""
The `?` frames: addresses that lay on the stack, and that the unwinder did not confirm.

One that follows no call is a pointer that somebody stored. One that follows a call is left over from
earlier work, unless it explains a step between two confirmed frames that is otherwise unexplained. Leftovers
that call each other are one earlier path.
Source: arch/x86/kernel/dumpstack.c, show_trace_log_lvl().
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from keepsane.kernel.log.machinery import INTERRUPTS, OUTERMOST, PAGE_FAULTS, REPORTING, SYSTEM_CALLS
from keepsane.model import Frame
from keepsane.symbols.calls.jumps import callees
from keepsane.symbols.code.text import Function, Place, function_at, is_same
from keepsane.symbols.edges.draft import Draft, Reader
from keepsane.symbols.edges.one_call import judge_call
from keepsane.symbols.lines.names import padded_function, padding_words

_KINDS = (("page fault", PAGE_FAULTS), ("interrupt", INTERRUPTS), ("system call", SYSTEM_CALLS))
_MAX_OPEN = 4
_MAX_NAMED = 12


class Marked(NamedTuple):
    """A frame, the functions it may name, and its draft where it is a confirmed one."""

    frame: Frame
    functions: Sequence[Function]
    draft: Draft | None


def judge_leftovers(reader: Reader, marked: Sequence[Marked], why_unjudged: str) -> dict[int, Draft]:
    """
    Judge the `?` frames of a stack, by their index.

    `why_unjudged` says why none of them can be judged, "" where they can.
    """
    drafts = {}
    last = max((index for index, mark in enumerate(marked) if mark.frame.reliable), default=-1)
    for index, mark in enumerate(marked):
        if mark.frame.reliable:
            continue
        given_up = index > last >= 0 and not _is_outermost(marked[last].frame)
        if why_unjudged or given_up:
            drafts[index] = Draft("unjudged", (), why_unjudged or "the unwinder gave up before this frame")
        else:
            drafts[index] = _judge(reader, marked, index)
    return drafts | _on_path(reader, marked, drafts) | _grouped(reader, marked, drafts)


def _is_outermost(frame: Frame) -> bool:
    return (frame.function or "") in OUTERMOST


def _judge(reader: Reader, marked: Sequence[Marked], index: int) -> Draft:
    frame, functions, _ = marked[index]
    padded = padded_function(frame.function or "")
    if padded:
        # Where its code is at hand the frame's own note says it: the same words, to be shown once.
        return Draft("not-a-call", (), padding_words(padded))
    if frame.offset_bytes == 0:
        return Draft("not-a-call", (), f"a pointer to the start of {frame.function}")
    if not functions:
        return Draft("unjudged", (), frame.note or "the code of this frame is not at hand")
    for function in functions:
        draft = judge_call(reader, function, function.address + (frame.offset_bytes or 0), None)
        if draft is not None:
            return _left_over(marked, index, draft)
    no_call = "no form of the bytes before this address is a call"
    following = {_behind(reader, function, frame) for function in functions}
    if len(following) == 1 and None not in following:
        return Draft("not-a-call", (), f"a pointer to {following.pop()}: {no_call}")
    return Draft("not-a-call", (), f"{no_call}: data, or a pointer")


def _behind(reader: Reader, function: Function, frame: Frame) -> str | None:
    """
    Name the function that starts where a frame's ends; None where its address is another.

    The kernel looks the address before up, so that a pointer to `kthread` is printed as the end of what
    stands before that: `kthread_complete_and_exit+0x20/0x20`.
    """
    address = function.address + (frame.offset_bytes or 0)
    found = function_at(reader.text, Place(function.module, address))
    return found.name if found is not None and found.address == address else None


def _left_over(marked: Sequence[Marked], index: int, draft: Draft) -> Draft:
    frame = marked[index].frame
    leading = not any(mark.frame.reliable and not _reports(mark.frame) for mark in marked[:index])
    if leading and _reports(frame):
        return draft._replace(verdict="reporter", why=f"it belongs to the report itself: {draft.why}")
    on_path = {mark.frame.function for mark in marked if mark.frame.reliable}
    where = (
        "as this path does elsewhere"
        if any(hop.function in on_path for hop in draft.via)
        else "not on this path"
    )
    return draft._replace(verdict="stale", why=f"{draft.why}, {where}: left over from earlier work")


def _reports(frame: Frame) -> bool:
    return (frame.function or "").partition(".")[0] in REPORTING


def _leads_to(reader: Reader, outer: Marked, inner: Marked) -> Draft | None:
    """The draft of a call in one frame that leads to the function of another, None where it does not."""
    for caller in outer.functions:
        for callee in inner.functions:
            draft = judge_call(reader, caller, caller.address + (outer.frame.offset_bytes or 0), callee)
            if draft is not None and draft.verdict in ("direct", "tail-call") and draft.via:
                return draft
    return None


def _on_path(reader: Reader, marked: Sequence[Marked], drafts: Mapping[int, Draft]) -> dict[int, Draft]:
    """A `?` frame between two confirmed ones, where only it explains how the one led to the other."""
    found = {}
    inner: int | None = None
    for index, mark in enumerate(marked):
        if not mark.frame.reliable:
            continue
        if inner is not None and mark.draft is not None and mark.draft.verdict == "unknown":
            for between in range(inner + 1, index):
                if drafts[between].verdict != "stale" or not _leads_to(reader, mark, marked[between]):
                    continue
                draft = _leads_to(reader, marked[between], marked[inner])
                if draft is not None:
                    found[between] = draft._replace(
                        why=f"on the path, though the unwinder lost it: {draft.why}"
                    )
        inner = index
    return found


class _Path(NamedTuple):
    """Leftovers of one earlier path: all of them, and of its longest way in `depth` steps the outer ones."""

    members: list[int]
    longest: tuple[int, ...]
    depth: int


def _grouped(reader: Reader, marked: Sequence[Marked], drafts: Mapping[int, Draft]) -> dict[int, Draft]:
    """
    Say of leftovers that call each other which earlier path they are from.

    What an outer one called last need not be what the inner one is: it may have called both, one after the
    other.
    """
    paths: list[_Path] = []
    for index in sorted(drafts):
        if drafts[index].verdict == "stale":
            near = [
                path
                for path in paths[-_MAX_OPEN:]
                if _may_have_called(reader, marked[index], marked[path.longest[0]])
            ]
            paths = [path for path in paths if all(path is not other for other in near)]
            paths.append(_path(index, near))
    said: dict[int, Draft] = {}
    for path in paths:
        if len(path.members) > 1:
            text = _text(marked, path)
            said |= {
                index: drafts[index]._replace(why=f"{drafts[index].why}; {text}", group=text)
                for index in path.members
            }
    return said


def _path(index: int, near: Sequence[_Path]) -> _Path:
    inner = max(near, key=lambda mark: mark.depth, default=_Path([], (), 0))
    members = [member for mark in near for member in mark.members]
    return _Path([*members, index], (index, *inner.longest)[:_MAX_NAMED], inner.depth + 1)


def _may_have_called(reader: Reader, outer: Marked, inner: Marked) -> bool:
    return any(
        is_same(reader.text, called, callee)
        for caller in outer.functions
        for called in callees(reader.graph, caller)
        for callee in inner.functions
    )


def _text(marked: Sequence[Marked], path: _Path) -> str:
    names = [marked[index].frame.function or "?" for index in path.longest]
    kind = next((kind for kind, listed in _KINDS if any(name in listed for name in names)), "call")
    more = f" → {path.depth - len(names)} more" if path.depth > len(names) else ""
    way = f"{' → '.join(names[1:])}{more}, called from {names[0]}"
    return f"{len(path.members)} frames of an earlier {kind}: {way}"
