# SPDX-License-Identifier: GPL-2.0-or-later
import random
from itertools import pairwise

from keepsane.services.spans import MAX_SPANS, Spans, with_span


def test_spans_are_the_bytes_that_were_sent() -> None:
    """A set of numbers is the second truth."""
    chosen = random.Random(5)
    for _ in range(200):
        spans: Spans = ()
        sent: set[int] = set()
        for _ in range(12):
            start = chosen.randrange(40)
            end = start + chosen.randrange(1, 9)
            spans = with_span(spans, start, end)
            sent.update(range(start, end))
        assert {byte for start, end in spans for byte in range(start, end)} == sent
        assert all(before[1] < after[0] for before, after in pairwise(spans))


def test_who_asks_for_every_second_byte_takes_no_memory() -> None:
    spans: Spans = ()
    for start in range(0, 10_000, 2):
        spans = with_span(spans, start, start + 1)
    assert len(spans) == MAX_SPANS
