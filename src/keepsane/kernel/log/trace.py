# SPDX-License-Identifier: GPL-2.0-or-later
"""
The grammars of one stack frame, recognised by shape.

     do_null.constprop.0+0x5f/0x90 [crashme]                          x86, arm64, since 4.9
     ? do_dup2+0x96/0xd0                                              on the stack, not confirmed
     [<ffffffff8106439d>] ? wake_up_atomic_t+0x22/0x22                x86 up to 4.8, arm64 up to 5.x
     [<f88dec25>] :radeon:radeon_cp_init_ring_buffer+0x90/0x302       2.6
     test_func+0x10/0x20 [test_mod 1234567890abcdef1234567890abcdef12345678]   CONFIG_STACKTRACE_BUILD_ID
     el0_svc+0x60/0x25c (P)                                           arm64 since 6.15: the entry's origin
     dump_stack_lvl+0x5d/0x80 (lib/dump_stack.c:123)                  CONFIG_KALLSYMS_LINEINFO
     dump_stack+0x292/0x395 lib/dump_stack.c:52                       already symbolized
     __dump_stack lib/dump_stack.c:16 [inline]                        already symbolized, inlined
     [c00000003ae5b800] [c00000000135c19c] dump_stack+0x128/0x1cc (unreliable)   powerpc
    ([<000003ff8008c030>] widget_read+0x10/0x40 [widget])            s390: not confirmed
     0xffffffffc0000123                                               no symbol known
     [<8003f97c>] (show_stack) from [<8003f97c>] (sched_show_task+0xac/0x100)   arm

Source: kernel/kallsyms.c, __sprint_symbol(); arch/x86/kernel/dumpstack.c, printk_stack_address();
arch/arm64/kernel/stacktrace.c, dump_backtrace_entry().
"""

from __future__ import annotations

import re
from dataclasses import replace

from keepsane.model import Frame, Role, SourceLine

SYMBOL = (
    r"(?P<function>[A-Za-z_.$<][\w.$<>:&*@,'-]{0,510})\+0x(?P<offset>[0-9a-f]{1,16})"
    r"/0x(?P<size>[0-9a-f]{1,16})"
)
"""`function+0xOFFSET/0xSIZE` as a regular expression with named groups."""

MODULE = r"(?: \[(?P<module>[\w-]{1,64})(?:\([A-Z+-]{0,12}\))?(?: (?P<build_id>[0-9a-f]{8,40}))?\])?"
"""` [module]` or ` [module build-id]` after a symbol, as a regular expression with named groups."""

_ADDRESS = r"\[<\s{0,8}(?P<address>[0-9a-f]{8,16}|\(null\))?>\]"
_DECODED = r"(?: \(?(?P<said_file>[\w./+~-]{1,255}+(?<=\.[chSs])):(?P<said_line>\d{1,7})[^)\]\[]{0,30}\)?)?"
_FRAME = re.compile(
    r"\s*+(?:#\d{1,20}:? )?(?:\[[0-9a-f]{8,16}\] \[[0-9a-f]{8,16}\] )?"
    r"(?:" + _ADDRESS + r"\s*+)?(?P<unreliable>\? )?\s*+"
    r"(?::(?P<old_module>\w{1,64}):)?"
    + SYMBOL
    + MODULE
    + _DECODED
    + MODULE.replace("module>", "late_module>").replace("build_id>", "late_build_id>")
    + r"(?P<info> \([A-Z]{1,4}\)| \(unreliable\))?$"
)
_DOUBTED = re.compile(r"\s*+\((?P<frame>\[<[0-9a-f]{16}>\] [^()]{1,600})\)")
_BARE = re.compile(
    r"\s*(?:" + _ADDRESS + r"\s*)?(?P<unreliable>\? )?(?P<bare>0x[0-9a-f]{1,16}|\(null\))" + MODULE + r"$"
)
_ADDRESS_ONLY = re.compile(r"\s*" + _ADDRESS + r"(?P<unreliable> \?)?$")
_ARM = re.compile(
    r"\s*(?:\[<[0-9a-f]{8,16}>\] )?\(?[\w.$]{1,255}(?:\+0x[0-9a-f]{1,8}/0x[0-9a-f]{1,8})?(?: \[\w+\])?\)?"
    r"(?: \[\w+\])? from (?:"
    + _ADDRESS
    + r" )?\(?"
    + SYMBOL
    + MODULE
    + r"\)?"
    + MODULE.replace("module>", "late_module>").replace("build_id>", "late_build_id>")
    + r"$"
)
_INLINED = re.compile(
    r"\s*(?:\[<[0-9a-f]{8,16}>\] )?(?P<function>[A-Za-z_][\w.$]{0,255}) "
    r"(?P<file>[\w./+~-]{1,255}\.[chSs]):(?P<source_line>\d{1,7}) \[inline\]$"
)
_MARKER = re.compile(r"\s*(?P<marker><?</?[#A-Z][A-Z0-9_#]{1,20}>>?)(?: \[ *\d{1,10}\.\d{6}\] )?\s?")


def strip_marker(text: str) -> tuple[str | None, str]:
    """
    Split a stack marker from what follows it on its line.

    Accepted format:
        <IRQ>
        <EOI>  [<ffffffff8106439d>] ? wake_up_atomic_t+0x22/0x22
        <<EOE>>  [<ffffffff8106439d>] spin_widget+0x90/0xa0                 behind an NMI, up to 4.8

    Returns (None, text) where the line has no marker.
    """
    found = _MARKER.match(text) if "<" in text else None
    return (found["marker"], text[found.end() :]) if found else (None, text)


def _number(digits: str | None) -> int | None:
    return int(digits, 16) if digits and digits != "(null)" else None


def _role(reliable: bool, function: str, offset_bytes: int, size_bytes: int) -> Role:
    if not reliable and (offset_bytes in (0, size_bytes) or function.startswith(("__pfx_", "__cfi_"))):
        return "pointer"
    return "return"


def _location_words(part: dict[str, str | None]) -> tuple[SourceLine, ...]:
    """Give the file and line that the log itself prints beside a symbol."""
    file, source_line = part.get("said_file"), part.get("said_line")
    if file is None or source_line is None:
        return ()
    function = part["function"] or ""
    return (SourceLine(function=function, file=file, line=int(source_line), column=None, inlined=False),)


def symbol_frame(found: re.Match[str], line: int, role: Role | None = None) -> Frame:
    """Build a frame from a match with the groups of SYMBOL and, where present, MODULE and the address."""
    part = found.groupdict()
    offset_bytes, size_bytes = int(part["offset"], 16), int(part["size"], 16)
    reliable = not part.get("unreliable")
    locations = _location_words(part)
    return Frame(
        line=line,
        function=part["function"],
        offset_bytes=offset_bytes,
        size_bytes=size_bytes,
        module=part.get("module") or part.get("late_module") or part.get("old_module"),
        build_id=part.get("build_id") or part.get("late_build_id"),
        address=_number(part.get("address")),
        reliable=reliable,
        role=role or _role(reliable, part["function"], offset_bytes, size_bytes),
        locations=locations,
        note="decoded in the log" if locations else "",
    )


def _bare_frame(found: re.Match[str], line: int) -> Frame:
    part = found.groupdict()
    return Frame(
        line=line,
        function=None,
        offset_bytes=None,
        size_bytes=None,
        module=part.get("module"),
        address=_number(part.get("bare")) or _number(part.get("address")) or 0,
        reliable=not part.get("unreliable"),
    )


def parse_frame(text: str, line: int) -> Frame | None:
    """
    Read one frame of a stack trace in any of the forms above.

    Returns None where the line is no frame. Source: see the module's docstring.
    """
    text = text.rstrip()
    if "+0x" in text:
        doubted = _DOUBTED.fullmatch(text)
        found = _FRAME.match(doubted["frame"] if doubted else text) or _ARM.match(text)
        frame = symbol_frame(found, line) if found else None
        return replace(frame, reliable=False) if doubted and frame else frame
    if "0x" in text or "[<" in text:
        found = _BARE.match(text) or _ADDRESS_ONLY.match(text)
        return _bare_frame(found, line) if found else None
    return None


def parse_inlined(text: str) -> SourceLine | None:
    """
    Read a line that an earlier symbolizer added for an inlined function; it belongs to the next frame.

    Accepted format:
         __dump_stack lib/dump_stack.c:16 [inline]
    """
    text = text.rstrip()
    found = _INLINED.match(text) if text.endswith("[inline]") else None
    if found is None:
        return None
    return SourceLine(
        function=found["function"],
        file=found["file"],
        line=int(found["source_line"]),
        column=None,
        inlined=True,
    )
