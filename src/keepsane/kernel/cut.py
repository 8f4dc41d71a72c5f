# SPDX-License-Identifier: GPL-2.0-or-later
"""A report of which only the first line is left: `------------[ cut here ]------------`."""

from __future__ import annotations

import re

from keepsane.kernel.block import Block, Opening, build
from keepsane.model import Event


def parse_cut_here(block: Block) -> Event | None:
    """Keep a report that was cut off right after its first line."""
    if len(block.openings) > 1 or not block.cut:
        return None
    return build(Event, block, "other", "a report that was cut off", damage="only its first line is left")


OPENINGS = (Opening("cut-here", "[ cut here ]", re.compile(r"-+\[ cut here \]-+"), parse_cut_here, rank=9),)
