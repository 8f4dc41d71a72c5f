# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a log says of one file: facts that symbols/identity/identity.py holds against it.

    RIP: 0010:refcount_warn_saturate+0x97/0x110         a function, its size, where it was executing
    Code: 01 01 e8 3c 2a af ff <0f> 0b c3               the bytes there
    WARNING: CPU: 0 PID: 1 at lib/refcount.c:25         the line there
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from keepsane.model import Code, Event, Frame, Kernel
from keepsane.symbols.lines.names import made_at_run_time

_MAX_CODES = 16


class PrintedSize(NamedTuple):
    """`function+0x../0xSIZE` as the log has it."""

    function: str
    size_bytes: int


class PrintedCode(NamedTuple):
    """A `Code:` line and the place it was taken from."""

    function: str
    offset_bytes: int
    size_bytes: int
    code: Code


class PrintedLine(NamedTuple):
    """`WARNING: ... at FILE:LINE` or `kernel BUG at FILE:LINE` and where it was executing."""

    file: str
    line: int
    function: str
    offset_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """
    What a log says that one file must agree with; `module` is None for vmlinux.

    `releases` and `build_ids` hold more than one where the log has reports of several kernels.
    """

    module: str | None
    releases: tuple[str, ...]
    version: str | None
    build_ids: tuple[str, ...]
    offset_bytes: int | None
    sizes: tuple[PrintedSize, ...]
    codes: tuple[PrintedCode, ...]
    lines: tuple[PrintedLine, ...]


def facts_of(events: Iterable[Event], kernel: Kernel, module: str | None = None) -> Facts:
    """
    Collect what the reports of a log say of vmlinux, or of a module where one is named.

    Functions that exist only at run time (BPF programs, trampolines) are in no file and left out.
    """
    events = tuple(events)
    torn = _torn_line(events)
    frames = [frame for event in events for frame in _frames(event) if _is_of(frame, module)]
    frames = [frame for frame in frames if frame.line != torn]
    own = [event for event in events if event.ip is not None and _is_of(event.ip, module)]
    own = [event for event in own if event.ip is not None and event.ip.line != torn]
    build_ids = (
        [frame.build_id for frame in frames] if module else [kernel.build_id, *(e.build_id for e in events)]
    )
    return Facts(
        module=module,
        releases=_distinct([kernel.release, *(event.release for event in events)]),
        version=kernel.version,
        build_ids=_distinct(build_ids),
        offset_bytes=kernel.offset_bytes,
        sizes=tuple(dict.fromkeys(PrintedSize(f.function or "", f.size_bytes or 0) for f in frames)),
        codes=tuple(code for event in own if (code := _printed_code(event)) is not None)[:_MAX_CODES],
        lines=tuple(dict.fromkeys(line for event in own if (line := _printed_line(event)) is not None)),
    )


def _torn_line(events: tuple[Event, ...]) -> int | None:
    """Give the line in which a log was cut off: half a size or half a module's name proves nothing."""
    last = max(events, key=lambda event: event.last_line, default=None)
    return last.last_line if last is not None and last.damage else None


def _frames(event: Event) -> list[Frame]:
    frames = [frame for stack in event.stacks for frame in stack.frames]
    return [event.ip, *frames] if event.ip is not None else frames


def _is_of(frame: Frame, module: str | None) -> bool:
    if frame.function is None or frame.size_bytes is None or made_at_run_time(frame.function, frame.module):
        return False
    return _plain(frame.module) == _plain(module)


def _plain(module: str | None) -> str | None:
    return module.replace("-", "_") if module else None


def _distinct(values: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def _printed_code(event: Event) -> PrintedCode | None:
    ip, code = event.ip, event.code
    if (
        ip is None
        or code is None
        or ip.function is None
        or ip.offset_bytes is None
        or code.trap_bytes is None
    ):
        return None
    return PrintedCode(ip.function, ip.offset_bytes, ip.size_bytes or 0, code)


def _printed_line(event: Event) -> PrintedLine | None:
    ip = event.ip
    # By their kind: the modules of Bug and Warning are loaded only where a log has one.
    file, source_line = getattr(event, "file", None), getattr(event, "source_line", None)
    if event.kind not in {"bug", "warning"} or file is None or source_line is None:
        return None
    if ip is None or ip.function is None or ip.offset_bytes is None:
        return None
    return PrintedLine(file, source_line, ip.function, ip.offset_bytes, ip.size_bytes or 0)
