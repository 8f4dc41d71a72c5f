# SPDX-License-Identifier: GPL-2.0-or-later
"""An event as HTML: what happened to whom, its findings, where, then the bytes and registers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from keepsane.model import Code, Event, Frame, Instruction, Register, Stack
from keepsane.render.html.account import account_element
from keepsane.render.html.element import Markup, details, element, joined, rows, say, span
from keepsane.render.html.finding import finding_element
from keepsane.render.html.frame import frame_element, missing_element
from keepsane.render.text.frame import place
from keepsane.render.text.stack import missing_frames
from keepsane.render.words import facts
from keepsane.report import Finding


def event_element(event: Event, findings: Iterable[Finding], *, boot: bool = False) -> Markup:
    """Give one event with the findings that stand with it; `boot` says in which boot it happened."""
    where = f"line {event.line}" + (f" to {event.last_line}" if event.last_line != event.line else "")
    where += f", boot {event.boot}" if boot else ""
    return element(
        "article",
        element("h2", say(f"{event.title} "), span("dim", where)),
        rows(facts(event)),
        joined(map(finding_element, findings)),
        account_element(event),
        joined(_body(event)),
        anchor=f"event-{event.line}",
    )


def _body(event: Event) -> Iterator[Markup]:
    unfolded = _first_with_source(event)
    if event.ip is not None:
        inner = frame_element(event.ip, unfolded=True)
        yield element("section", element("h3", say("Where it was")), inner, kind="stack")
    for stack in event.stacks:
        yield _stack(stack, unfolded)
    if event.code is not None:
        yield _code(event.code, event.ip)
    if event.registers:
        yield _registers(event.registers)
    if event.modules:
        count = span("dim", f" {len(event.modules)}")
        yield details(
            joined((say("Modules"), count)), element("p", say(" ".join(event.modules))), kind="part"
        )


def _first_with_source(event: Event) -> Frame | None:
    """Find the frame to show opened: the first with source, unless the executing one shows its own."""
    if event.ip is not None and any(location.text for location in event.ip.locations):
        return None
    frames = (frame for stack in event.stacks for frame in stack.frames if frame.reliable)
    return next((frame for frame in frames if any(location.text for location in frame.locations)), None)


def _stack(stack: Stack, unfolded: Frame | None) -> Markup:
    """Give a stack, innermost frame first; what one earlier path left over is folded into one row."""
    parts = []
    for group, members in groupby(stack.frames, key=lambda frame: frame.edge.group if frame.edge else ""):
        shown = joined(_with_missing(frame, frame is unfolded) for frame in members)
        parts.append(details(_leftover(group), shown, kind="frame group") if group else shown)
    return element("section", element("h3", say(stack.name)), *parts, kind="stack")


def _leftover(group: str) -> Markup:
    inner = (span("line", ""), span("mark", "?"), span("name all", group))
    return element("span", *inner, kind="row")


def _with_missing(frame: Frame, unfolded: bool) -> Markup:
    gone = joined(map(missing_element, missing_frames(frame.edge)))
    return joined((gone, frame_element(frame, unfolded=unfolded)))


def _code(code: Code, ip: Frame | None) -> Markup:
    trap = f", the trap at byte {code.trap_bytes}" if code.trap_bytes is not None else ""
    title = joined((say("Code"), span("dim", f" line {code.line}, {len(code.data)} bytes{trap}")))
    here = place(ip.locations[0]) if ip is not None and ip.locations else ""
    table = joined(_instruction(instruction, here) for instruction in code.instructions)
    raw = element("p", element("code", say(code.data.hex(" ", -code.word_bytes))))
    inner = element("div", element("table", table), kind="wide") if table else raw
    return details(title, inner, kind="part", unfolded=bool(table))


def _instruction(instruction: Instruction, here: str) -> Markup:
    """Give one instruction; beside the trapping one stands its source line."""
    mark = "\u2192" if instruction.trapping else ""
    cells = (mark, f"{instruction.offset_bytes:+d}", instruction.raw.hex(" "), instruction.text)
    place_cell = span("place", here if instruction.trapping else "")
    row = (*(element("td", say(cell)) for cell in cells), element("td", place_cell))
    return element("tr", *row, kind="here" if instruction.trapping else "")


def _registers(registers: tuple[Register, ...]) -> Markup:
    table = joined(
        element(
            "div",
            span("dim", register.name),
            element("code", say(f"{register.value:016x}")),
            span("remark", register.meaning or ""),
        )
        for register in registers
    )
    return details(say("Registers"), element("div", table, kind="registers"), kind="part")
