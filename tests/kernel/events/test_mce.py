# SPDX-License-Identifier: GPL-2.0-or-later
"""Machine checks, read as fields."""

from __future__ import annotations

from keepsane.kernel.events.mce import Mce
from keepsane.render.words import event_facts
from tests.golden import events_of, first_of


def test_bank_status_and_address() -> None:
    event = first_of("mce/exception")

    assert isinstance(event, Mce)
    assert (event.bank, event.status, event.address) == (4, 0xBE00000000800400, 0x3F00000C0)
    assert event.task is not None
    assert event.task.cpu == 2


def test_the_capitals_of_old_kernels_begin_a_report() -> None:
    log = "HARDWARE ERROR\nCPU 1: Machine Check Exception:                4 Bank 3: b600000000000175\n"
    (event,) = events_of(log + "TSC 1f2e3d4c5b6a ADDR 7f00aa40\nThis is not a software problem!\n")

    assert isinstance(event, Mce)
    assert (event.bank, event.status, event.address) == (3, 0xB600000000000175, 0x7F00AA40)
    assert event.last_line == 4


def test_the_flags_of_the_status_are_said_in_words() -> None:
    event = first_of("mce/fatal")

    assert isinstance(event, Mce)
    means = "uncorrected (UC), processor context corrupt (PCC)"
    assert event.status_means == means
    assert dict(event_facts(event))["status"] == f"0xb200000080060001: {means}"


def test_a_register_that_is_not_valid_means_nothing() -> None:
    (event,) = events_of(
        "mce: [Hardware Error]: CPU 0: Machine Check Exception: 5 Bank 0: 0000000080060001\n"
    )

    assert isinstance(event, Mce)
    assert event.status_means is None
