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
     0x864b2470 [widget@9be18d50+0x7d2e0]                             OpenWrt: the module's base and size
     widget_get+0x10/0x20 <--- here it hung                           a remark of whoever posted it
     [<8003f97c>] (show_stack) from [<8003f97c>] (sched_show_task+0xac/0x100)   arm
     widget_get (drivers/widget.c:7 include/linux/w.h:9) widget       what decode_stacktrace.sh makes of one
     [<0>] vfs_write+0xf8/0x450                                       /proc/PID/stack
     widget_get+0x10                                                  without a size
     #3 [ffffc90000000e50] ksys_write at ffffffff8144aa0f             crash(8), without an offset
     [] probe_widget+0x12/0x40                                        a page took <...> for HTML

Source: kernel/kallsyms.c, __sprint_symbol(); arch/x86/kernel/dumpstack.c, printk_stack_address();
arch/arm64/kernel/stacktrace.c, dump_backtrace_entry(); arch/arm/kernel/traps.c, dump_backtrace_entry();
fs/proc/base.c, proc_pid_stack(); scripts/decode_stacktrace.sh, parse_symbol().
"""

from __future__ import annotations

import re
from dataclasses import replace

from keepsane.model import Frame, Role, SourceLine

DECODED_NOTE = "decoded in the log"
"""The note of a frame beside which the log says the file and line."""
UNNAMED = "??"
"""The name of an inlined function of which a log says only the file and line."""

_NAME = r"[A-Za-z_.$<][\w.$<>:&*@,'-]{0,510}+"
SYMBOL = r"(?P<function>" + _NAME + r")\+0x(?P<offset>[0-9a-f]{1,16})/0x(?P<size>[0-9a-f]{1,16})"
"""`function+0xOFFSET/0xSIZE` as a regular expression with named groups."""

MODULE = (
    r"(?: \[(?P<module>[\w-]{1,64})(?:@[0-9a-f]{8,16}\+0x[0-9a-f]{1,8})?(?:\([A-Z+-]{0,12}\))?"
    r"(?: (?P<build_id>[0-9a-f]{8,40}))?\])?"
)
"""` [module]` or ` [module build-id]` after a symbol, as a regular expression with named groups."""

_ADDRESS = r"\[(?:<\s{0,8}(?P<address>0|[0-9a-f]{8,16}|\(null\))?>)?\]"
_PLACE = r"[\w./+~-]{1,255}+:\d{1,7}+"
_PLACES = r"\((?P<said>[\w./+~-]{1,255}+:\d[\w./+~: -]{0,600}+)\)"
_DECODED = r"(?: (?:" + _PLACES + r"|(?P<said_>" + _PLACE + r")(?::\d{1,7}+)?))?"
SCRIPT = (
    r"(?P<scripted>"
    + _NAME
    + r") "
    + _PLACES.replace("said>", "said__>")
    + r"(?: \[?(?P<said_module>[\w-]{1,64}+)\]?)?"
)
"""`function (file:line) module`, what decode_stacktrace.sh makes of a symbol."""
PLACED = SYMBOL + MODULE + _DECODED
"""A symbol, and where it stands the file and line that somebody decoded it to."""

_REMARK = r"(?:\s{0,40}+(?:[-=*]{2}|<[-=]|//|/\*|[^\x00-\x7f]).{0,400})?"
"""What somebody who explains a trace wrote behind a frame; a line of the kernel has nothing of that kind."""
_LATE_MODULE = MODULE.replace("module>", "late_module>").replace("build_id>", "late_build_id>")
_INFO = r"(?: \([A-Z]{1,4}\)| \(unreliable\))?"
FRAME = re.compile(
    r"\s*+(?:#\d{1,20}:? )?(?:\[[0-9a-f]{8,16}\] \[[0-9a-f]{8,16}\] )?"
    r"(?:" + _ADDRESS + r"\s*+)?(?P<unreliable>\? )?\s*+"
    r"(?::(?P<old_module>\w{1,64}):)?" + PLACED + _LATE_MODULE + _INFO + _REMARK + r"$"
)
_SCRIPT = re.compile(r"\s*+(?:" + _ADDRESS + r"\s*+)?(?P<unreliable>\? )?" + SCRIPT + _INFO + r"$")
_SIZELESS = re.compile(
    r"\s*+(?:" + _ADDRESS + r"\s*+)?(?P<unreliable>\? )?(?P<function>" + _NAME + r")"
    r"\+0x(?P<offset>[0-9a-f]{1,16})" + MODULE + r"$"
)
CRASH = re.compile(
    r"\s*+#\d{1,4} \[[0-9a-f]{8,16}\] (?P<function>" + _NAME + r") at (?P<address>[0-9a-f]{8,16})"
    r"(?: \[(?P<module>[\w-]{1,64})\])?$"
)
_DOUBTED = re.compile(r"\s*+\((?P<frame>\[<[0-9a-f]{16}>\] [^()]{1,600})\)")
_BARE = re.compile(
    r"\s*(?:" + _ADDRESS + r"\s*)?(?P<unreliable>\? )?(?P<bare>0x[0-9a-f]{1,16}|\(null\))" + MODULE + r"$"
)
ADDRESS_ONLY = re.compile(r"\s*" + _ADDRESS + r"(?P<unreliable> \?)?$")
ARM = re.compile(
    r"\s*(?:\[<(?P<callee_address>[0-9a-f]{8,16})>\] )?\(?(?P<callee>[\w.$]{1,255}+)"
    r"(?:\+0x[0-9a-f]{1,8}/0x[0-9a-f]{1,8})?(?: \[\w{1,64}\])?(?: \(?" + _PLACE + r"\)?)?\)?"
    r"(?: \[\w{1,64}\])? from (?:"
    + _ADDRESS
    + r" )?\(?(?:"
    + PLACED
    + r"|"
    + SCRIPT
    + r")\)?"
    + _LATE_MODULE
    + r"$"
)
_INLINED = re.compile(
    r"\s*(?:\[<[0-9a-f]{8,16}>\] )?(?P<function>[A-Za-z_][\w.$]{0,255}) "
    r"(?P<file>[\w./+~-]{1,255}\.[chSs]):(?P<source_line>\d{1,7}) \[inline\]$"
)
_DISCRIMINATOR = re.compile(r" \(discriminator \d{1,9}\)")
_ONE_PLACE = re.compile(r"(?P<file>[^\s:()]{1,255}+):(?P<line>\d{1,7})")
_MARKER = re.compile(r"\s*(?P<marker><?</?[#A-Z][A-Z0-9_#]{1,20}>>?)(?: \[ *\d{1,10}\.\d{6}\] )?\s?")


_PLACE_GROUPS = ("said", "said_", "said__")
_MODULE_GROUPS = ("module", "late_module", "old_module", "said_module")


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


def _role(reliable: bool, function: str, offset_bytes: int | None, size_bytes: int | None) -> Role:
    at_edge = offset_bytes is not None and offset_bytes in (0, size_bytes)
    if not reliable and (at_edge or function.startswith(("__pfx_", "__cfi_"))):
        return "pointer"
    return "return"


def _said_places(part: dict[str, str | None], function: str) -> tuple[SourceLine, ...]:
    """Give the files and lines that the log itself prints beside a symbol, those of inlined code first."""
    places = list(_ONE_PLACE.finditer(next(filter(None, map(part.get, _PLACE_GROUPS)), "")))
    return tuple(
        SourceLine(
            function=function if place is places[-1] else UNNAMED,
            file=place["file"],
            line=int(place["line"]),
            column=None,
            inlined=place is not places[-1],
        )
        for place in places
    )


def symbol_frame(found: re.Match[str], line: int, role: Role | None = None) -> Frame:
    """
    Build a frame from a match with the groups of SYMBOL or SCRIPT.

    Where they are in it, the groups of MODULE and the address count, too.
    """
    part = found.groupdict()
    function = part.get("function") or part.get("scripted") or ""
    offset_bytes, size_bytes = _number(part.get("offset")), _number(part.get("size"))
    reliable = not part.get("unreliable")
    locations = _said_places(part, function)
    return Frame(
        line=line,
        function=function,
        offset_bytes=offset_bytes,
        size_bytes=size_bytes,
        module=next(filter(None, map(part.get, _MODULE_GROUPS)), None),
        build_id=part.get("build_id") or part.get("late_build_id"),
        address=_number(part.get("address")) or None,
        reliable=reliable,
        role=role or _role(reliable, function, offset_bytes, size_bytes),
        locations=locations,
        note=DECODED_NOTE if locations else "",
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
    text = without_discriminators(text.rstrip())
    if "+0x" in text:
        doubted = _DOUBTED.fullmatch(text)
        found = FRAME.match(doubted["frame"] if doubted else text) or ARM.match(text) or _SIZELESS.match(text)
        frame = symbol_frame(found, line) if found else None
        if frame is not None or "@" not in text:
            return replace(frame, reliable=False) if doubted and frame else frame
    if "0x" in text or "[<" in text:
        found = _BARE.match(text) or ADDRESS_ONLY.match(text)
        if found:
            return _bare_frame(found, line)
    return _other_frame(text, line)


def without_discriminators(text: str) -> str:
    """Leave out which of several blocks of one source line addr2line means: `a.c:19 (discriminator 3)`."""
    return _DISCRIMINATOR.sub("", text) if "(discr" in text else text


def _other_frame(text: str, line: int) -> Frame | None:
    """Read a frame whose offset another tool left out."""
    found = None
    if text.endswith((")", "]")) or ") " in text:
        found = _SCRIPT.match(text) or (ARM.match(text) if " from " in text else None)
    if found is None and "] " in text:
        found = CRASH.match(text)
    return symbol_frame(found, line) if found else None


def parse_callee(text: str) -> tuple[str, int] | None:
    """
    Read the left side of a frame of arm: who was called, and the address inside of it.

    Accepted format:
        [<80123fe0>] (widget_stop) from [<80125000>] (widget_exit+0x10/0x20)

    Returns None where the line has no such side, or no address in it.
    """
    found = ARM.match(text.rstrip()) if " from " in text else None
    return (found["callee"], int(found["callee_address"], 16)) if found and found["callee_address"] else None


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
