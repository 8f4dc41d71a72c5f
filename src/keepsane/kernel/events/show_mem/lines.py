# SPDX-License-Identifier: GPL-2.0-or-later
"""
The lines of a memory report, made whole: mail programs fold them, people quote them.

    > DMA free:476kB min:360kB low:448kB high:540kB active:384kB inactive:504kB=20
    > present:8192kB pages_scanned:257 all_unreclaimable? no
    ... Free swap  =3D 781012kB
    active_anon:7355653 inactive_anon:660960 isolated_anon:0#012 active_file:1263    rsyslog's line feed

A zone's `lowmem_reserve[]` is a line of its own in the kernel and joined to its zone here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from keepsane.kernel.pages.zone import ZONES
from keepsane.model import LogRecord

MAX_LINE_CHARACTERS = 4000
"""A line grows by what was folded off it up to this length; the longest the kernel prints has 1000."""

ZONE_NAME = rf"(?:Node (?P<node>\d{{1,5}}) )?(?P<name>{'|'.join(sorted(ZONES, key=len, reverse=True))})"
"""A zone as its lines begin: `Node 0 DMA32`, or `DMA32` without NUMA."""
QUOTED = r"[>\s|]{0,48}+(?:\.{3} )?\s{0,16}+"
"""What a mail program, or a person who hides the prefix, may put before a line."""

_QUOTED = re.compile(QUOTED)
_MARKS = re.compile(r"^(?:> ?){1,8}")
_SOFT_BREAK = re.compile(r"^.{50,80}[^\s=]=$")
# Mail programs encode a blank only at the end of a line: hugepages_size=2048kB is a number.
_ESCAPED = re.compile(r"=(?:20|09)(?=\s{0,8}+$)|=3D|#012")
_PLAIN = {"=20": " ", "=3D": "=", "=09": " ", "#012": " "}
_COUNTERS = re.compile(
    r"[a-z_]{2,32}(?:\((?:anon|file)\))?: ?\d{1,15}[kK]B|pages_scanned:\d|all_unreclaimable\?|(?:yes|no)\s*+$"
)
_RESERVE = re.compile(r"lowmem_reserve\[\]:|protections\[\]:")
_BLOCKS = re.compile(r"\d{1,10}\*\d{1,8}kB|\([UMEHCIR]{1,6}\)|=\s*\d{1,12}kB")
_GROWS = re.compile(ZONE_NAME + r"(?: free:|:\s)|Node \d{1,5} active_anon:")
_LIST = re.compile(ZONE_NAME + r":\s")


class MemoryLine(NamedTuple):
    """A whole line without quotes and indentation; `line` is where it began."""

    line: int
    text: str


def plain_line(text: str) -> str:
    """Take quotes, indentation and a mail's transfer encoding off a line."""
    text = text[_QUOTED.match(text).end() :] if text[:1] in " \t>|." else text  # type: ignore[union-attr]
    return _decoded(text).rstrip()


def memory_lines(records: Iterable[LogRecord]) -> list[MemoryLine]:
    """Give the lines of a report with what was folded off them put back."""
    lines: list[MemoryLine] = []
    growing: int | None = None  # where in `lines` the last line that can be folded stands
    broken = False
    for record in records:
        if broken:
            lines[-1] = lines[-1]._replace(text=_joined(lines[-1].text, record.text))
        elif "+0x" in record.text:
            continue  # a frame
        elif growing is not None and _continues(lines[growing].text, text := plain_line(record.text)):
            lines[growing] = lines[growing]._replace(text=f"{lines[growing].text} {text}")
        else:
            text = plain_line(record.text)
            growing = len(lines) if _GROWS.match(f"{text} ") else growing
            lines.append(MemoryLine(record.line, text))
        broken = _SOFT_BREAK.search(record.text) is not None
    return lines


def _joined(line: str, more: str) -> str:
    """Put together what quoted-printable broke, also inside a word."""
    if len(line) + len(more) > MAX_LINE_CHARACTERS:
        return line
    return line.removesuffix("=") + _decoded(_MARKS.sub("", more, count=1)).rstrip()


def _decoded(text: str) -> str:
    return _ESCAPED.sub(lambda found: _PLAIN[found[0]], text) if "=" in text or "#012" in text else text


def _continues(line: str, more: str) -> bool:
    if len(line) + len(more) > MAX_LINE_CHARACTERS:
        return False
    if _LIST.match(f"{line} "):
        return _BLOCKS.match(more) is not None
    if _RESERVE.match(more):
        return " free:" in line and "[]:" not in line
    return "[]:" not in line and _COUNTERS.match(more) is not None
