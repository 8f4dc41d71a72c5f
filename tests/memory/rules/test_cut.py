# SPDX-License-Identifier: GPL-2.0-or-later
"""A capture may be cut off anywhere: that makes no rule about memory fail, and none fire that did not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keepsane.judge import load, run
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import MemoryState, state_of
from keepsane.report import Failure, Finding
from tests.memory_case import MemoryCase, memory_cases

FAMILIES = (
    *("thp", "fragmentation", "watermark_boost", "low_zones"),
    *("reserved", "min_free", "kernel_memory"),
)
HELD = {name for name, rule in load().items() if rule.judge.__module__.rpartition(".")[2] in FAMILIES}
"""The rules that are held to this: nearly all of them rest on shares of a whole."""


def cut(case: MemoryCase, parts: int = 8) -> Iterator[tuple[str, MemoryState | None]]:
    """Give the case with each of its files cut off at several places, and short of its last two signs."""
    for at, files in enumerate(case.samples):
        for path, text in files.items():
            for end in {len(text) * part // parts for part in range(parts)} | {max(len(text) - 2, 0)}:
                samples = list(case.samples)
                samples[at] = {**files, path: text[:end]}
                yield f"t{at}/{path} at {end}", state_of(tuple(Snapshot(files=one) for one in samples))


@pytest.mark.parametrize("case", memory_cases(), ids=lambda case: case.slug)
def test_a_file_cut_off_anywhere_makes_no_rule_fail_and_none_fire_that_did_not(case: MemoryCase) -> None:
    for where, state in cut(case):
        for answer in run((state,)):
            if isinstance(answer, Failure):
                assert "the rule itself failed" not in answer.why, where
            if isinstance(answer, Finding) and answer.rule in HELD:
                assert answer.rule in case.fires, where
