# SPDX-License-Identifier: GPL-2.0-or-later
"""Machine checks, read as fields."""

from __future__ import annotations

import pytest

from keepsane.api import explain
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


AMD = """\
[   12.000100] mce: [Hardware Error]: CPU 3: Machine Check: 0 Bank 5: bea0000000000108
[   12.000200] mce: [Hardware Error]: TSC 0 ADDR 1ffffc0a1b2c3 MISC d01a SYND 4d000000 IPID 500b000000000
[   12.000300] mce: [Hardware Error]: PROCESSOR 2:870f10 TIME 1600000000 SOCKET 0 APIC 6 microcode 8701013
"""


@pytest.mark.parametrize(
    ("log", "decoded"),
    [
        (AMD, False),
        (AMD.replace(" SYND 4d000000 IPID 500b000000000", ""), False),
        (AMD.replace(" SYND 4d000000 IPID 500b000000000", "").replace("PROCESSOR 2:", "PROCESSOR 0:"), True),
    ],
)
def test_the_codes_of_intel_are_not_read_into_the_banks_of_amd(log: str, decoded: bool) -> None:
    (found,) = explain(log, cache=False).findings

    assert ("an error of a cache" in found.title) is decoded
    assert ("not decoded, because" in found.explanation) is not decoded
    assert "Bank 5: bea0000000000108" in found.evidence[0].quote


def test_the_line_with_the_status_is_quoted() -> None:
    log = "[Hardware Error]: Corrected error, no action required.\n[Hardware Error]: CPU:2 (17:31:0) "
    log += "MC3_STATUS[Over|CE|MiscV|-|-|-|-|SyndV|-]: 0xdc2040000000011b\n"
    (found,) = explain(log, cache=False).findings

    assert "0xdc2040000000011b" in found.evidence[0].quote
