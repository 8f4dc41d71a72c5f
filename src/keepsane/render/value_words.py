# SPDX-License-Identifier: GPL-2.0-or-later
"""
What an event's own field says, in words: a number, a frame, or a value that is made of others.

    requester   fec_enet_rx_napi+0x758/0xa28
    memory      line 32, page bytes 4096
                zones: name DMA, node 0, free pages 3968, min pages 10, ...
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from keepsane.kernel.pages.zone import FreeBlocks
from keepsane.model import Frame

MOST_ROWS = 24
"""A table is shown up to this many rows, the rest is counted; JSON has them all."""


def value_words(value: object) -> str:
    """Say a value; a table has a line for each row, and a value made of others one for each table in it."""
    if isinstance(value, Frame):
        return _frame(value)
    if isinstance(value, FreeBlocks):
        return f"{value.count} of order {value.order}" + (f" ({value.types})" if value.types else "")
    if getattr(value, "_fields", ("",))[0] == "name" and len(value) == 2:  # type: ignore[arg-type]
        return " ".join(map(str, value))  # type: ignore[call-overload]
    if _is_record(value):
        return _record(value)
    if isinstance(value, tuple):
        return _rows(value, ", " if all(isinstance(part, int) for part in value) else "\n")
    return str(value)


def _frame(frame: Frame) -> str:
    size = f"+{frame.offset_bytes:#x}/{frame.size_bytes:#x}" if frame.offset_bytes is not None else ""
    return f"{frame.function}{size}" + (f" [{frame.module}]" if frame.module else "")


def _is_record(value: object) -> bool:
    return (is_dataclass(value) and not isinstance(value, type)) or hasattr(value, "_fields")


def _record(value: object) -> str:
    parts, tables = [], []
    for name, part in _parts(value):
        if isinstance(part, tuple) and any(map(_is_record, part)):
            flat = all(hasattr(row, "_fields") for row in part) or isinstance(part[0], FreeBlocks)
            tables.append(f"{name}: {_rows(part, '; ' if flat else chr(10))}")
        elif part not in (None, "", ()):
            parts.append(f"{name} {value_words(part)}")
    return "\n".join([", ".join(parts), *tables]) if parts else "\n".join(tables)


def _parts(value: object) -> Iterator[tuple[str, object]]:
    names = getattr(value, "_fields", None) or [field.name for field in fields(value)]  # type: ignore[arg-type]
    for name in names:
        yield name.replace("_", " "), getattr(value, name)


def _rows(rows: tuple[object, ...], between: str) -> str:
    said = [value_words(row) for row in rows[:MOST_ROWS]]
    if len(rows) > MOST_ROWS:
        said.append(f"... and {len(rows) - MOST_ROWS} more")
    return between.join(said)
