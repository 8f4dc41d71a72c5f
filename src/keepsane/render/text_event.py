# SPDX-License-Identifier: GPL-2.0-or-later
"""
An event as text: first what happened to whom, then where, then the bytes and registers.

    NULL pointer dereference in poke_null                                             line 345
      task       init, pid 1, CPU 1
      address    0x80, read: NULL + 0x80: a member at offset 0x80 of a NULL structure
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from keepsane.kernel.registers import address_in_words
from keepsane.model import Code, Event, Frame, Register, Task
from keepsane.render.paint import Paint, clean
from keepsane.render.text_finding import WIDTH, paragraph
from keepsane.render.text_frame import frame_lines, name_width, place
from keepsane.render.text_stack import stack_lines

_COMMON = frozenset(field.name for field in fields(Event))
_SAID_TOGETHER = frozenset({"address", "address_means", "access", "file", "source_line"})


def head_lines(event: Event, paint: Paint) -> Iterator[str]:
    """Write what happened: title, damage, who, which kernel, and what only this kind of event says."""
    title = clean(event.title)
    yield paint("error", title) + paint("dim", f"{f'line {event.line}':>{max(2, WIDTH - len(title))}}")
    if event.damage:
        yield _fact("damaged", paint("warning", clean(event.damage)))
    yield from _facts(event)
    yield from _own_facts(event)


def body_lines(event: Event, paint: Paint) -> Iterator[str]:
    """Write where it happened: the executing frame, the stacks, the instructions, the registers."""
    width = name_width(event)
    if event.ip is not None:
        yield paint("title", "  Where it was")
        yield from frame_lines(event.ip, paint, width, context=True)
    for stack in event.stacks:
        yield from stack_lines(stack, event, paint, width)
    if event.code is not None:
        yield from _code(event.code, event.ip, paint)
    yield from _registers(event.registers)
    if event.modules:
        yield paragraph(" ".join(event.modules), "  modules    ")


def _fact(name: str, said: str) -> str:
    return f"  {name:<11}{said}"


def _task(task: Task) -> str:
    parts = (
        clean(task.comm) if task.comm else None,
        f"pid {task.pid}" if task.pid is not None else None,
        f"CPU {task.cpu}" if task.cpu is not None else None,
    )
    return ", ".join(part for part in parts if part)


def _facts(event: Event) -> Iterator[str]:
    yield _fact("kind", event.kind)
    if event.task is not None:
        yield _fact("task", _task(event.task))
    if event.release is not None:
        build_id = f", build-id {event.build_id}" if event.build_id else ""
        yield _fact("kernel", clean(event.release) + build_id)
    if event.taint:
        yield paragraph("; ".join(f"{flag.letter} {flag.meaning}" for flag in event.taint), "  tainted    ")
    if event.again:
        lines = ", ".join(str(line) for line in event.again[:8]) + (", ..." if len(event.again) > 8 else "")
        yield _fact("again", f"{len(event.again)} more like it, at line {lines}")


def _own_facts(event: Event) -> Iterator[str]:
    """Write what only this kind says; what belongs together stands on one line."""
    yield from _address(event)
    file, source_line = getattr(event, "file", None), getattr(event, "source_line", None)
    if file:
        yield _fact("at", clean(file) + (f":{source_line}" if source_line else ""))
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name not in _COMMON and field.name not in _SAID_TOGETHER and value not in (None, "", ()):
            yield from _own_fact(field.name, value)


def _address(event: Event) -> Iterator[str]:
    address = getattr(event, "address", None)
    if isinstance(address, int):
        access = getattr(event, "access", None)
        means = getattr(event, "address_means", None) or address_in_words(address)
        yield _fact(
            "address", f"{address:#x}" + (f", {access}" if access else "") + (f": {means}" if means else "")
        )


def _own_fact(name: str, value: object) -> Iterator[str]:
    label = name.replace("_", " ")
    said = "\n".join(str(part) for part in value) if isinstance(value, tuple) else str(value)
    for index, line in enumerate(said.splitlines()):
        shown = label if index == 0 else ""
        yield _fact(shown, clean(line)) if len(label) < 11 else f"  {shown:<{len(label)}} {clean(line)}"


def _registers(registers: tuple[Register, ...]) -> Iterator[str]:
    if not registers:
        return
    yield paragraph(
        " ".join(f"{register.name}={register.value:x}" for register in registers), "  registers  "
    )
    for register in registers:
        if register.meaning:
            yield _fact("", f"{register.name} {register.value:#x}: {register.meaning}")


def _code(code: Code, ip: Frame | None, paint: Paint) -> Iterator[str]:
    """Write the instructions; beside the trapping one stands its source line."""
    if not code.instructions:
        yield paragraph(code.data.hex(" "), "  code       ")
        return
    yield paint("title", "  Code")
    here = place(ip.locations[0]) if ip is not None and ip.locations else ""
    for instruction in code.instructions:
        mark = "->" if instruction.trapping else "  "
        raw = instruction.raw.hex(" ")
        text = f"    {mark} {instruction.offset_bytes:+5d}  {raw:<30}  {clean(instruction.text)}"
        if instruction.trapping:
            yield paint("error", text) + (f"    {here}" if here else "")
        else:
            yield paint("dim", text)
