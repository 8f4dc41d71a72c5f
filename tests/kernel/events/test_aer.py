# SPDX-License-Identifier: GPL-2.0-or-later
"""PCI Express errors, read as fields."""

from __future__ import annotations

from keepsane.kernel.events.aer import PcieAer
from tests.golden import first_of


def test_the_device_and_its_error() -> None:
    event = first_of("pcie-aer/corrected")

    assert isinstance(event, PcieAer)
    assert (event.port, event.device) == ("0000:00:1c.0", "0000:03:00.0")
    assert (event.severity, event.layer) == ("Corrected", "Physical Layer")
    assert (event.status, event.mask, event.errors) == (1, 0x2000, ("RxErr",))
