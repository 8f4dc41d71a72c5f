# SPDX-License-Identifier: GPL-2.0-or-later
"""What a reader sees of edges: missing frames in their place, leftovers folded, doubts said."""

from __future__ import annotations

from dataclasses import replace

from keepsane.api import explain
from keepsane.model import Edge, Event, Hop, HopKind, SourceLine
from keepsane.render.event_page import stack_section
from keepsane.render.text.writer import Writer

LOG = """\
WARNING: CPU: 0 PID: 7 at mm/widget.c:7 inner+0x10/0x20
CPU: 0 PID: 7 Comm: made-up Not tainted 6.12.0 #1
RIP: 0010:inner+0x10/0x20
Call Trace:
 ? left_one+0x1/0x20
 ? left_two+0x2/0x20
 outer+0x18/0x40
 entry+0x5/0x60
---[ end trace 0000000000000000 ]---
"""
JUMPED = SourceLine(function="gone", file="mm/widget.c", line=31, column=2, inlined=False)


def lines_of(edges: dict[str, Edge]) -> list[str]:
    event = explain(LOG).events[0]
    (stack,) = event.stacks
    frames = tuple(replace(frame, edge=edges.get(frame.function or "")) for frame in stack.frames)
    return list(Writer(names=30).lines([stack_section(replace(stack, frames=frames), event)]))


def hop(kind: HopKind, function: str, source: SourceLine | None = None) -> Hop:
    return Hop(kind=kind, function=function, name=None, source=source)


def test_a_missing_frame_stands_between_caller_and_callee() -> None:
    via = (hop("call", "gone"), hop("jump", "inner", JUMPED))

    lines = lines_of({"outer": Edge(verdict="tail-call", via=via, why="outer calls gone, which jumps on")})

    at = next(index for index, line in enumerate(lines) if "outer+0x18" in line)
    assert "gone" in lines[at - 1] and "mm/widget.c:31" in lines[at - 1] and "not in the log" in lines[at - 1]
    assert "tail-call: outer calls gone" in lines[at + 1]


def test_a_stack_that_begins_with_the_executing_frame_does_not_say_it_again() -> None:
    event = explain(LOG).events[0]
    (stack,) = event.stacks
    via = (hop("call", "gone"), hop("jump", "inner", JUMPED))
    edge = Edge(verdict="tail-call", via=via, why="it calls gone, which jumps on")
    assert event.ip is not None
    first = replace(event.ip, role="return", edge=edge)

    lines = list(Writer().lines([stack_section(replace(stack, frames=(first, *stack.frames)), event)]))

    assert not [line for line in lines if "inner+0x10" in line or "gone" in line]
    assert any("outer+0x18" in line for line in lines)


def test_a_function_that_was_called_through_a_table_and_jumped_on_is_missing_too() -> None:
    via = (hop("table", "gone"), hop("jump", "inner", JUMPED))

    lines = lines_of({"outer": Edge(verdict="tail-call", via=via, why="a call through ops.run, gone")})

    (row,) = (line for line in lines if "not in the log" in line)
    assert "gone" in row and "mm/widget.c:31" in row


def test_nothing_is_inserted_where_several_chains_fit() -> None:
    edge = Edge(verdict="tail-call", via=(), why="one of: a -> b; c -> b")

    assert not [line for line in lines_of({"outer": edge}) if "not in the log" in line]


def test_leftovers_of_one_path_are_one_line() -> None:
    edge = Edge(verdict="stale", via=(), why="w", group="2 frames of an earlier call: left_two, left_one")

    lines = lines_of({"left_one": edge, "left_two": edge})

    assert sum("left_" in line for line in lines) == 1
    assert any("2 frames of an earlier call" in line for line in lines)


def test_the_evident_needs_no_words() -> None:
    lines = lines_of({"outer": Edge(verdict="direct", via=(), why="it calls inner")})

    assert not [line for line in lines if "it calls inner" in line]


def test_without_edges_a_stack_is_as_the_log_has_it() -> None:
    names = [name for name in functions_of(explain(LOG).events[0]) if name]

    assert [name for name in names if any(name in line for line in lines_of({}))] == names


def functions_of(event: Event) -> list[str | None]:
    return [frame.function for stack in event.stacks for frame in stack.frames]
