# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands beside the quoted lines; the numbers are small enough to check by eye."""

from __future__ import annotations

from keepsane.memory.rules.quote import quote_risen
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import MemoryState, state_of


def state(*vmstats: str) -> MemoryState:
    snapshots = (
        Snapshot(files={"proc/uptime": f"{100 + 10 * number}.00 1.00\n", "proc/vmstat": text})
        for number, text in enumerate(vmstats)
    )
    made = state_of(tuple(snapshots))
    assert made is not None
    return made


def quoted(made: MemoryState, name: str) -> list[tuple[str, str]]:
    return [(one.quote, one.note) for one in quote_risen(made, name)]


def test_a_counter_that_rose_is_quoted_twice_with_what_it_rose_by() -> None:
    made = state("pgscan_direct 5\n", "pgscan_direct 12\n")
    assert quoted(made, "pgscan_direct") == [("pgscan_direct 5", ""), ("pgscan_direct 12", "7 more in 10 s")]


def test_a_counter_that_stood_still_is_quoted_once() -> None:
    made = state(*["allocstall_dma 0\nallocstall_normal 3\n"] * 2)
    assert quoted(made, "allocstall") == [("allocstall_dma 0", "did not rise")]


def test_a_single_sample_says_nothing_of_rising() -> None:
    assert quoted(state("pgscan_direct 5\n"), "pgscan_direct") == [("pgscan_direct 5", "")]


def test_a_counter_that_fell_is_not_said_to_have_risen() -> None:
    made = state("pgscan_direct 12\n", "pgscan_direct 5\n")
    assert all(note == "" for _, note in quoted(made, "pgscan_direct"))
