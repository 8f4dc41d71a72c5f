# SPDX-License-Identifier: GPL-2.0-or-later
"""Failed allocations and OOM kills in real logs, where these are on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.alloc_corpus import EXPECTED, Asked, corpus_folder, judge, read_log

FOLDER = corpus_folder()
pytestmark = pytest.mark.skipif(FOLDER is None, reason="no corpora folder (KEEPSANE_CORPORA)")


def log_of(number: int) -> tuple[Path, tuple[Asked, ...]]:
    """Give a numbered log and what it asks for."""
    assert FOLDER is not None
    return FOLDER / f"{number:02}.txt", EXPECTED[number]


@pytest.mark.parametrize("number", EXPECTED)
def test_order_mask_zones_and_sums(number: int) -> None:
    path, expected = log_of(number)

    assert judge(path, expected).misses == ()


@pytest.mark.parametrize("number", EXPECTED)
def test_cut_at_any_line(number: int) -> None:
    """No error, and no report is called whole that has other zones than the uncut one."""
    path, _ = log_of(number)
    lines = path.read_text(errors="surrogateescape").splitlines()
    uncut = {event.line: event.memory for event in read_log(lines)}
    for count in range(1, len(lines)):
        for event in read_log(lines[:count]):
            whole = uncut.get(event.line)
            if event.memory is not None and not event.memory.lacks and whole is not None:
                assert event.memory.zones == whole.zones
