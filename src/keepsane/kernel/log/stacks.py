# SPDX-License-Identifier: GPL-2.0-or-later
"""
The stacks of a report: frames are collected under the name that stands above them.

    Call Trace:
     <TASK>
     do_null.constprop.0+0x5f/0x90 [crashme]
     </TASK>
    Allocated by task 7:
     kasan_save_stack+0x1e/0x40

Source: arch/x86/kernel/dumpstack.c, show_trace_log_lvl(); arch/arm64/kernel/stacktrace.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from keepsane.kernel.log.machinery import ARM64_EXCEPTIONS, RETURN_PLACES
from keepsane.kernel.log.trace import DECODED_NOTE, parse_callee, parse_frame, parse_inlined, strip_marker
from keepsane.model import Frame, SourceLine, Stack

MAX_FRAMES = 4096
"""Frames kept per report, the rest is counted; the kernel itself stops far earlier."""

CALL_TRACE = "Call Trace"
DISABLED_AT = "Preemption disabled at"
"""One frame of before, which __schedule_bug() prints ahead of the report's own stack, and of a panic."""
_INTERRUPTED = ("<EOI>", "<<EOE>>")
"""What follows these was running when the interrupt or the NMI came."""
_PAGE_OWNER = re.compile(r"page last allocated via order \d{1,3}\b")
"""Above the stack of who allocated a page, without a colon: mm/page_owner.c, __dump_page_owner()."""
_HEADER = re.compile(r"\s*(?P<name>-> #\d{1,5} .{1,200}?|[^\s:][^:]{0,120}?):?\s*:\s*+$")


@dataclass(slots=True)
class StackReader:
    """Collects the stacks of one report line by line; `begun` says that the first has been met."""

    begun: bool = False
    in_section: bool = False
    _stacks: list[Stack] = field(default_factory=list)
    _frames: list[Frame] = field(default_factory=list)
    _inlined: list[SourceLine] = field(default_factory=list)
    _name: str = ""
    _header: str | None = None
    _count: int = 0

    def take(self, text: str, line: int) -> tuple[bool, str]:
        """Read a marker or a frame; False with what is left of the line where it is neither."""
        marker, rest = strip_marker(text)
        if marker is not None:
            self.begun = True
            if marker == "</TASK>":
                self.end()
            if not rest.strip():
                return True, ""
        return self._frame(rest, line, interrupted=marker in _INTERRUPTED), rest

    def header(self, text: str) -> bool:
        """Remember a line that may name the frames below it; True where it is a call trace for certain."""
        if _PAGE_OWNER.match(text):
            self._header = "page last allocated"
            return True
        found = _HEADER.match(text) if text.rstrip().endswith(":") else None
        if found is None:
            return False
        self._header = found["name"].strip()
        if not self._header.lower().endswith("call trace"):
            return False
        self.begun, self._header = True, CALL_TRACE
        return True

    def section(self, name: str) -> None:
        """Begin the stack of another CPU or task inside the same report."""
        self.end()
        self._name, self.in_section, self._header = name, True, None

    def add(self, frame: Frame) -> None:
        """Add a frame to the stack that is being read."""
        self.begun = self.begun or self._name != DISABLED_AT
        self._count += 1
        if self._inlined:
            frame = replace(frame, locations=(*self._inlined, *frame.locations), note=DECODED_NOTE)
            self._inlined.clear()
        if self._count <= MAX_FRAMES:
            self._frames.append(frame)

    def end(self) -> None:
        """End the stack that is being read."""
        if self._frames:
            self._stacks.append(Stack(name=self._name or CALL_TRACE, frames=tuple(self._frames)))
        self._frames, self._name, self.in_section = [], "", False
        self._inlined.clear()

    @property
    def left_out(self) -> int:
        """How many frames of the report were beyond the limit and are not kept."""
        return max(0, self._count - MAX_FRAMES)

    def any(self) -> bool:
        """Tell whether a stack has begun, so that an instruction pointer belongs to one."""
        return bool(self._frames or self._stacks or self.in_section)

    def finish(self, ip: Frame | None) -> tuple[Stack, ...]:
        """Give the stacks that were read."""
        self.end()
        return tuple(_mark_ip(stack, ip) for stack in self._stacks)

    def _frame(self, text: str, line: int, *, interrupted: bool) -> bool:
        frame = parse_frame(text, line)
        if frame is None:
            inlined = parse_inlined(text)
            if inlined is not None:
                self._inlined.append(inlined)
            return inlined is not None
        if self._header is not None and (
            not self.in_section or any(frame.role != "ip" for frame in self._frames)
        ):
            inlined_before = list(self._inlined)
            self._named(self._header)
            self._inlined = inlined_before
        self._header = None
        self._name_before(text)
        # Up to 4.8 the function that was interrupted follows <EOI>, marked as if it were not certain.
        self.add(replace(frame, role="ip") if interrupted else frame)
        return True

    def _name_before(self, text: str) -> None:
        """
        Give the frame above the name of the function that did not return, where this line says it.

        Only arm's unwinder by frame pointers names the callee itself; others repeat the address above.
        """
        above = self._frames[-1] if self._frames else None
        if above is None or above.offset_bytes != 0 or above.role != "return":
            return
        callee = parse_callee(text)
        if callee is None or callee[1] == above.address or (above.function or "") in RETURN_PLACES:
            return
        note = f"printed as {above.function}+0x0: the call before it does not return"
        named = replace(above, function=callee[0], offset_bytes=None, size_bytes=None, note=note)
        self._frames[-1] = named

    def _named(self, header: str) -> None:
        """Begin a stack under a header, unless the instruction pointer above it has begun it already."""
        if not (header == CALL_TRACE and len(self._frames) == 1 and self._frames[0].role == "ip"):
            self.end()
        self._name = header


def _mark_ip(stack: Stack, ip: Frame | None) -> Stack:
    """Give the frames that were executing the role `ip`: arm64 prints them inside the trace."""
    frames = list(stack.frames)
    for index, frame in enumerate(frames):
        interrupted = index > 0 and (frames[index - 1].function or "") in ARM64_EXCEPTIONS
        if interrupted or (index == 0 and frame.reliable and _same_place(frame, ip)):
            frames[index] = replace(frame, role="ip")
    return replace(stack, frames=tuple(frames))


def _same_place(frame: Frame, ip: Frame | None) -> bool:
    return (
        ip is not None
        and frame.function is not None
        and (frame.function, frame.offset_bytes) == (ip.function, ip.offset_bytes)
    )
