# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of a machine before anything is judged."""

from __future__ import annotations

from keepsane.memory.facts import facts_of
from keepsane.memory.snapshot import Missing, Snapshot
from keepsane.memory.state import MemoryState, state_of


def _said(*snapshots: Snapshot) -> dict[str, str]:
    state = state_of(snapshots)
    assert isinstance(state, MemoryState)
    return {fact.name: fact.said for fact in facts_of(state)}


def _at(seconds: int, **files: str) -> Snapshot:
    named = {name.replace("__", "/"): text for name, text in files.items()}
    return Snapshot(files={"proc/uptime": f"{seconds}.00 1.00\n", **named})


def test_a_container_is_told_that_the_numbers_are_the_hosts() -> None:
    said = _said(_at(1, **{".dockerenv": "", "proc/mounts": "lxcfs /proc/meminfo fuse.lxcfs rw 0 0\n"}))
    assert "the host's numbers" in said["whose"] and "docker" in said["whose"] and "meminfo" in said["whose"]
    assert "whose" not in _said(_at(1))


def test_what_only_root_may_read_is_named() -> None:
    barred = Missing(path="proc/pagetypeinfo", reason="not permitted")
    absent = Missing(path="proc/slabinfo", reason="absent")
    said = _said(Snapshot(files={"proc/uptime": "1.00 1.00\n"}, missing=(barred, absent)))
    assert "proc/pagetypeinfo" in said["for root"] and "slabinfo" not in said["for root"]


def test_rates_are_of_the_interval_and_not_since_boot() -> None:
    said = _said(
        _at(1000, proc__vmstat="pgscan_direct 1000000\n"), _at(1010, proc__vmstat="pgscan_direct 1000500\n")
    )
    # 500 pages in 10 s
    assert "pages scanned directly 50" in said["per second"]
    assert "sampled" in said and "10 s" in said["sampled"]


def test_one_sample_moves_nothing() -> None:
    said = _said(_at(1000, proc__vmstat="pgscan_direct 1000000\n"))
    assert "per second" not in said and "cannot be told" in said["sampled"]
