# SPDX-License-Identifier: GPL-2.0-or-later
"""
BUG() and BUG_ON(), and the lines that begin with `BUG: ` and have no kind of their own.

    kernel BUG at mm/vmalloc.c:2554!
    invalid opcode: 0000 [#1] PREEMPT SMP NOPTI
    BUG: key ffff88800a3ee9a8 has not been registered!
    VERIFY3(0 == remove_reference(hdr, NULL, tag)) failed (0 == 1)                    ZFS
    PANIC at arc.c:3844:arc_buf_destroy()

Source: lib/bug.c, __report_bug(). ZFS: module/os/linux/spl/spl-err.c, spl_panic() and vcmn_err().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.log.block import PRELUDE, Block, Opening, build, titled
from keepsane.kernel.log.culprit import beyond, culprit
from keepsane.model import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug(Event):
    """The code found a bug in itself: `message` in its own words, BUG_ON() in `file` at `source_line`."""

    file: str | None = None
    source_line: int | None = None
    message: str | None = None


def parse_bug(block: Block) -> Bug | None:
    """
    Read a BUG().

    Accepted format:
        kernel BUG at mm/vmalloc.c:2554!
    """
    function, place = culprit(block.body), f"kernel BUG at {block.head['file']}:{block.head['source_line']}"
    title = titled("kernel BUG", function) if function else place
    return build(Bug, block, "bug", title, block.find(_DUMPED), needs_end=True)


def parse_said(block: Block) -> Bug | None:
    """
    Read a `BUG: ` line of no other kind; None where no stack follows.

    Accepted format:
        BUG: key ffff88800a3ee9a8 has not been registered!
    """
    if not block.body.stacks:
        return None
    message = block.head["message"].strip()
    return build(Bug, block, "bug", titled(f"BUG: {message}", culprit(block.body)), message=message)


def parse_verify(block: Block) -> Bug | None:
    """
    Read a check of ZFS that failed; the task stops for ever where it stands.

    Accepted format:
        VERIFY3(0 == remove_reference(hdr, NULL, tag)) failed (0 == 1)
        PANIC at arc.c:3844:arc_buf_destroy()
        PANIC: zfs: adding existent segment to range tree
        SPLError: 1942:0:(pot.c:444:pot_leaf()) SPL PANIC                                     up to 0.6.2
    """
    place, said = block.find(_PLACE), block.find(_VERIFY) or block.find(_VCMN)
    if place is None and not block.body.stacks:
        return None
    message = said["message"].strip() if said else None
    function = place["function"] if place else culprit(block.body, stacks=beyond(block.body.stacks, _SPL))
    what = message if message and len(message) <= _LONGEST else "ZFS: a check failed"
    return build(Bug, block, "bug", titled(what, function), place, message=message)


_LONGEST = 70
"""A message of more characters is no title; it stands in `message`."""
_VERIFY = re.compile(r"(?P<message>(?:VERIFY|ASSERT)\w{0,8}\(.{1,300}\) failed.{0,200})")
_VCMN = re.compile(r"PANIC: (?P<message>zfs: .{1,300})")
_PLACE = re.compile(
    r"(?:PANIC at |SPLError: \d{1,10}:\d{1,10}:\()"
    r"(?P<file>[^\s:]{1,255}):(?P<source_line>\d{1,7}):(?P<function>\w{1,255})\(\)"
)
_SPL = frozenset(
    {"spl_panic", "spl_debug_bug", "spl_debug_dumpstack", "vcmn_err", "cmn_err", "zfs_panic_recover"}
)
_ZFS = re.compile(r"(?:SPL: )?Showing stack for process \d")


def parse_dumped(block: Block) -> None:
    """Read nothing: the condition of VM_BUG_ON() belongs to the BUG that follows the dumped page."""


_DUMPED = re.compile(r"page dumped because: (?P<message>VM_BUG_ON\w{0,20}\(.{1,300})")
HEAD = re.compile(
    r"[Kk]ernel BUG at (?:\[(?P<message>.{1,200}?)\] )?(?P<file>[^\s:]{1,1024}):(?P<source_line>\d{1,7})!?"
)
SAID = re.compile(r"BUG: (?P<message>.{4,400})")

OPENINGS = (
    Opening("zfs-verify", _VERIFY, parse_verify, own=_ZFS),
    Opening("zfs-panic", _PLACE, parse_verify, rank=1, own=_ZFS),
    Opening("zfs-said", _VCMN, parse_verify, own=_ZFS),
    Opening("dumped", _DUMPED, parse_dumped, rank=PRELUDE),
    Opening("bug", HEAD, parse_bug),
    Opening("bug-said", SAID, parse_said, rank=3),
)
