# SPDX-License-Identifier: GPL-2.0-or-later
"""Which bytes of a file have been sent, where they are asked for in parts."""

from __future__ import annotations

Spans = tuple[tuple[int, int], ...]
"""Each the first byte and the end of it, in their order; no two touch."""

MAX_SPANS = 64
"""A boot loader asks for the parts in their order, which is one span."""


def with_span(spans: Spans, start: int, end: int) -> Spans:
    """Give the spans with another; one that would be too many is left out."""
    apart = [span for span in spans if span[1] < start or end < span[0]]
    near = [span for span in spans if not (span[1] < start or end < span[0])]
    joined = min([start, *(span[0] for span in near)]), max([end, *(span[1] for span in near)])
    return spans if len(apart) >= MAX_SPANS else tuple(sorted([*apart, joined]))
