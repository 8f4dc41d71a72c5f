# SPDX-License-Identifier: GPL-2.0-or-later
"""
An event as text: first what happened to whom, then where, then the bytes and registers.

    NULL pointer dereference in poke_null                                             line 345
      task       init, pid 1, CPU 1
      address    0x80, read: NULL + 0x80: a member at offset 0x80 of a NULL structure
"""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.model import Code, Event, Frame, Register
from keepsane.render.text.finding import WIDTH, paragraph
from keepsane.render.text.frame import frame_lines, name_width, place
from keepsane.render.text.paint import Paint
from keepsane.render.text.stack import stack_lines
from keepsane.render.words import facts

_PROSE = frozenset({"tainted", "asked for", "asked by", "harmless", "could use", "doubt"})


def head_lines(event: Event, paint: Paint) -> Iterator[str]:
    """Write what happened: title, damage, who, which kernel, and what only this kind of event says."""
    where = f"line {event.line}"
    yield paint("error", event.title) + paint("dim", f"{where:>{max(2, WIDTH - len(event.title))}}")
    for name, said in facts(event):
        yield from _fact_lines(name, said, paint)


def body_lines(event: Event, paint: Paint) -> Iterator[str]:
    """Write where it happened: the executing frame, the stacks, the instructions, the registers."""
    width = name_width(event)
    yield from account_lines(event, paint)
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


def _fact_lines(name: str, said: str, paint: Paint) -> Iterator[str]:
    """Write a fact; one of several lines (a message of the kernel's) stays in its lines."""
    if name == "damaged":
        yield _fact(name, paint("warning", said))
        return
    if name in _PROSE:
        yield paragraph(said, f"  {name:<11}")
        return
    for index, line in enumerate(said.splitlines()):
        shown = name if index == 0 else ""
        yield _fact(shown, line) if len(name) < 11 else f"  {shown:<{len(name)}} {line}"


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
        text = f"    {mark} {instruction.offset_bytes:+5d}  {raw:<30}  {instruction.text}"
        if instruction.trapping:
            yield paint("error", text) + (f"    {here}" if here else "")
        else:
            yield paint("dim", text)


def account_lines(event: Event, paint: Paint) -> Iterator[str]:
    """Write the account of an event that has one."""
    ledger = getattr(event, "ledger", None)
    if ledger is None:
        return
    # Imported for these alone: most reports are of other kinds.
    from keepsane.kernel.pages.ledger_table import ledger_table

    table = ledger_table(ledger)
    if table is None:
        return
    yield paint("title", "  What each zone had for this request, in pages (it needs more than 0 over)")
    widths = [max(map(len, column)) for column in zip(table.head, *table.rows, strict=True)]
    for number, row in enumerate((table.head, *table.rows)):
        first, *numbers, last = row
        cells = [f"{cell:>{width}}" for cell, width in zip(numbers, widths[1:-1], strict=True)]
        line = f"    {first:<{widths[0]}}  {'  '.join(cells)}  {last}".rstrip()
        yield paint("dim", line) if number == 0 else line
