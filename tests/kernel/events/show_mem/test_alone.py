# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory reports that stand alone."""

from __future__ import annotations

from keepsane.kernel.events.show_mem.alone import MemReport
from tests.golden import events_of
from tests.kernel.memory_reports import NEW


def test_one_asked_for_by_a_person_is_whole() -> None:
    (event,) = events_of(f"sysrq: Show Memory\n{NEW}")

    assert isinstance(event, MemReport)
    assert (event.kind, event.damage, event.sysrq) == ("other", "", True)
    assert event.memory.ram_pages == 8192


def test_one_whose_beginning_is_lost_says_so() -> None:
    (event,) = events_of(NEW[NEW.index("Node 1 Normal") :])

    assert isinstance(event, MemReport)
    assert event.sysrq is False
    assert event.damage == "what stood above this report is missing"
    assert event.memory.zones[0].free_pages == 96


def test_a_head_alone_is_no_report() -> None:
    assert events_of("Mem-Info:\nand nothing else") == ()
