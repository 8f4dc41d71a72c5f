# SPDX-License-Identifier: GPL-2.0-or-later
"""
The middle of a KASAN report whose headline is lost: who had the memory, not who touched it.

    Freed by task 7:
     kasan_save_stack+0x1b/0x40
     kfree+0x90/0x2b0
     widget_free+0x22/0x30 [widget]

Source: mm/kasan/report.c, print_track().
"""

from __future__ import annotations

import re

from keepsane.kernel.events.kasan.report import PAGE, SHADOW
from keepsane.kernel.log.block import Block, Opening, build, titled
from keepsane.kernel.log.culprit import culprit
from keepsane.model import Event

_LACKS = "the lines that say what happened are missing"
_TRACKS = ("Freed by task ", "Allocated by task ")
"""Names of the two stacks, the one that tells more first."""


def parse_middle(block: Block) -> Event | None:
    """
    Read who freed or allocated the memory of a report; None where no stack is called so.

    Accepted format:
        Freed by task 7:
         kfree+0x90/0x2b0
    """
    stacks = block.body.stacks
    found = next((one for track in _TRACKS for one in stacks if one.name.startswith(track)), None)
    if found is None:
        return None
    what = f"a report without its first lines: memory {found.name.split()[0].lower()}"
    title = titled(what, culprit(block.body, stacks=[found], ip=False))
    return build(Event, block, "backtrace", title, damage=_LACKS)


_TRACK = re.compile(r"(?:Freed|Allocated) by task \d{1,10}\b[^:]{0,60}:\s*+$")
_OWN = re.compile(f"{SHADOW}|{PAGE}")
OPENINGS = (Opening("kasan-track", _TRACK, parse_middle, own=_OWN, alone=True),)
