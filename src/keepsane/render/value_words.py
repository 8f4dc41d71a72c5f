# SPDX-License-Identifier: GPL-2.0-or-later
"""
What an event's own field says, in words: a number, a frame, or a value that is made of others.

    requester   fec_enet_rx_napi+0x758/0xa28
    memory      line 32, page bytes 4096
                zones: name DMA, node 0, free pages 3968, min pages 10, ...
"""

from __future__ import annotations

from keepsane.kernel.log.demangle import demangled
from keepsane.kernel.pages.zone import FreeBlocks
from keepsane.model import Frame
from keepsane.render.cleaned import names_of
from keepsane.words import counted

_UNITS = {"bytes": "byte", "seconds": "second", "jiffies": "jiffy", "pages": "page"}
_IN_HEX = ("address", "mode", "mask", "preempt_count", "status", "expected_type")
MOST_ROWS = 24
"""A table is shown up to this many rows, the rest is counted; JSON has them all."""


def value_words(value: object) -> str:
    """Say a value; a table has a line for each row, and a value made of others one for each table in it."""
    if isinstance(value, Frame):
        return frame_name(value)
    if isinstance(value, FreeBlocks):
        return f"{value.count} of order {value.order}" + (f" ({value.types})" if value.types else "")
    names = names_of(type(value))
    if isinstance(value, tuple) and names and len(names) == 2 and names[0] == "name":
        return " ".join(map(str, value))
    if isinstance(value, tuple) and names == ("line", "name", "function"):  # a lock that is held
        line, name, function = value
        return f"{name}{f', taken in {function}' if function else ''} (line {line})"
    if names:
        return _record([(name, getattr(value, name)) for name in names])
    if isinstance(value, tuple):
        return _rows(value, ", " if all(isinstance(part, int) for part in value) else "\n")
    return str(value)


def named_words(name: str, value: object) -> tuple[str, str]:
    """Say a field and its value: a number with the unit its name ends with, an address in hexadecimal."""
    named, _, unit = name.rpartition("_")
    if isinstance(value, int) and unit in _UNITS:
        return named.replace("_", " ") or "for", counted(value, _UNITS[unit], unit)
    words = f"{value:#x}" if isinstance(value, int) and name.endswith(_IN_HEX) else value_words(value)
    return name.replace("_", " "), words


def frame_name(frame: Frame) -> str:
    """Give a frame as the kernel prints it: `do_null.constprop.0+0x5f/0x90 [crashme]`."""
    function = demangled(frame.function) if frame.function is not None else None
    if function is None or frame.offset_bytes is None:
        name = function or f"{frame.address or 0:#x}"
    elif frame.size_bytes is None:
        name = f"{function}+{frame.offset_bytes:#x}"
    else:
        name = f"{function}+{frame.offset_bytes:#x}/{frame.size_bytes:#x}"
    return name + (f" [{frame.module}]" if frame.module else "")


def _record(parts: list[tuple[str, object]]) -> str:
    said, tables = [], []
    for name, part in parts:
        if isinstance(part, tuple) and any(names_of(type(row)) for row in part):
            flat = all(isinstance(row, tuple) for row in part) or isinstance(part[0], FreeBlocks)
            tables.append(f"{name.replace('_', ' ')}: {_rows(part, '; ' if flat else chr(10))}")
        elif part not in (None, "", ()):
            said.append(" ".join(named_words(name, part)))
    return "\n".join([", ".join(said), *tables] if said else tables)


def _rows(rows: tuple[object, ...], between: str) -> str:
    said = [value_words(row) for row in rows[:MOST_ROWS]]
    if len(rows) > MOST_ROWS:
        said.append(f"... and {len(rows) - MOST_ROWS} more")
    return between.join(said)
