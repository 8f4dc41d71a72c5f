# SPDX-License-Identifier: GPL-2.0-or-later
"""Machine checks, read as fields."""

from __future__ import annotations

from keepsane.kernel.mce import Mce
from tests.golden import first_of


def test_bank_status_and_address() -> None:
    event = first_of("mce/exception")

    assert isinstance(event, Mce)
    assert (event.bank, event.status, event.address) == (4, 0xBE00000000800400, 0x3F00000C0)
    assert event.task is not None
    assert event.task.cpu == 2
