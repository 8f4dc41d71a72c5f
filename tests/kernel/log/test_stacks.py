# SPDX-License-Identifier: GPL-2.0-or-later
"""Collecting the stacks of a report."""

from __future__ import annotations

from keepsane.kernel.log.body import BodyReader
from keepsane.kernel.log.stacks import MAX_FRAMES


def test_frames_beyond_the_limit_are_counted() -> None:
    reader = BodyReader()
    for line in range(1, MAX_FRAMES + 8):
        reader.stacks.take(" widget_loop+0x10/0x20", line)
    body = reader.finish()

    assert sum(len(stack.frames) for stack in body.stacks) == MAX_FRAMES
    assert body.frames_left_out == 7
