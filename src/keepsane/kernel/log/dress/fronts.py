# SPDX-License-Identifier: GPL-2.0-or-later
"""
Where in a line the kernel's own words begin: what stands before them is its front.

    Jul 27 14:08:04 host kernel: Call Trace:            an anchor: no front holds these words
    4,1234,26813123456,-;VFS: Busy inodes after ...     an opening, behind times or a logger's "kernel"
    [  +0.000012] rcu:   3-...0: (1 GPs behind)         a time in brackets
    [  875.497504] c0    77 (widgetd) Call trace:       behind printk's own: what a vendor of phones adds
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from keepsane.kernel.log.dress.anchors import ANCHOR, frame_in
from keepsane.kernel.log.dress.shape import LEVELS, MAX_FRONT_CHARACTERS
from keepsane.kernel.log.kinds import WORDS, find_opening
from keepsane.kernel.log.records import record

_BORDER = re.compile(r"[^\w(<%](?=[\w(<*.\[{-])")
_KERNEL = re.compile(
    rf"^.{{0,200}}\b(?<!handled )kern(?:el)?\b[\s\d:;.-]{{0,20}}(?:(?:{LEVELS})\w{{0,4}}\W{{0,8}})?\Z",
    re.IGNORECASE,
)
"""A logger's name for the kernel; in "Unhandled kernel unaligned access" the kernel names itself."""
_BRACKETED = re.compile(r"\[[^\[\]]{0,60}\]|\([^()\[\]]{1,60}\)|caller=[TC]\d{1,20}")
_EXTENDED = re.compile(r"\b\d{1,4},\d{1,20},\d{1,18},[cC+-](?:,caller=[TC]\d{1,20})?;\Z")
"""What the extended console writes, whoever stands before it."""
_WORD = re.compile(r"[^\W\d_]{2}")
_NUMBER = re.compile(r"\d{1,300}")
_ADDRESS = re.compile(r"\d[a-f]|[a-f]\d|>\]")
"""A part of an address that was cut: no time."""
_SPOKEN = re.compile(r"[\"'`=]")
"""A program that quotes the kernel, or tells a value."""
_TIME = re.compile(r"\[ {0,8}(?:[^\W\d_]{2,5}\.? {0,2}\d{1,2} )?[+-]?\d{1,11}[.:][\d.:]{1,12} ?\] ?")


class Front(NamedTuple):
    """What stands before the kernel's words; `alone` where one such line is enough to know it."""

    text: str
    alone: bool


def front_of(line: str) -> Front | None:
    """Give what stands before the kernel's words; None where nothing does, or where that is not known."""
    anchor = ANCHOR.search(line, 0, MAX_FRONT_CHARACTERS)
    if anchor is None:
        found = opening_front(line) or frame_front(line) or _time_front(line)
        return Front(found, alone=True) if found else None
    front, rest = line[: anchor.start()], record(0, line).text
    between = front[max(0, len(line) - len(rest)) :]
    if not front or rest.lstrip().startswith(anchor[0]):
        return None
    if not _is_front(front) and (found := opening_front(line)):
        return Front(found, alone=True)
    if WORDS.search(front):
        return None
    if _SPOKEN.search(_BRACKETED.sub("", between)) or (rest != line and not _is_front(between)):
        return None
    return Front(front, alone=_is_front(front))


def opening_front(line: str) -> str:
    """Give what stands before the opening of a report: times, or a logger's words that name the kernel."""
    gate = WORDS.search(line, 0, MAX_FRONT_CHARACTERS)
    if gate is None or find_opening(record(0, line).text.lstrip(), WORDS):
        return ""
    return next(filter(_is_front, _fronts(line, gate.start())), "")


def frame_front(line: str) -> str:
    """Give what stands before a line that is a frame: times, or a logger's words that name the kernel."""
    frame = frame_in(line)
    front = line[: frame.start()] if frame else ""
    between = front[max(0, len(line) - len(record(0, line).text)) :]
    if not between.strip() or not _is_front(front):
        return ""
    outside = _BRACKETED.sub("", front)
    if _KERNEL.search(outside):
        return front
    return front if len(_NUMBER.findall(between)) > 1 and not _ADDRESS.search(outside) else ""


def may_open(line: str) -> bool:
    """Say whether a line has words that only a kernel says, or the opening of a report behind anything."""
    if ANCHOR.search(line, 0, MAX_FRONT_CHARACTERS):
        return True
    gate = WORDS.search(line, 0, MAX_FRONT_CHARACTERS)
    return gate is not None and any(_fronts(line, gate.start()))


def _fronts(line: str, end: int) -> Iterator[str]:
    """Give what stands before openings that begin at borders of words up to a place, the longest first."""
    borders = [border.end() for border in _BORDER.finditer(line, 0, end + 1)]
    return (line[:border] for border in reversed(borders) if find_opening(line[border:], WORDS))


def _is_front(front: str) -> bool:
    if _EXTENDED.search(front):
        return True
    outside = _BRACKETED.sub("", front)
    return "[" not in outside and not _WORD.search(_KERNEL.sub("", outside))


def _time_front(line: str) -> str:
    """Give a time in brackets at the beginning of a line that printk did not write."""
    found = _TIME.match(line)
    return found[0] if found and record(0, line).seconds is None else ""
