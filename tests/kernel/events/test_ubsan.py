# SPDX-License-Identifier: GPL-2.0-or-later
"""What a UBSAN report says, read as fields."""

from __future__ import annotations

from keepsane.kernel.events.ubsan.report import Ubsan
from tests.golden import first_of


def test_the_place_and_the_sentence() -> None:
    event = first_of("ubsan/array-index")

    assert isinstance(event, Ubsan)
    assert (event.file, event.source_line, event.column) == ("drivers/crashme/table.c", 63, 56)
    assert event.message == "index 4 is out of range for type 'u8 [4]'"


def test_a_trap_has_no_place() -> None:
    for name in ("ubsan/trap-arm64", "ubsan/trap-x86"):
        event = first_of(name)

        assert isinstance(event, Ubsan)
        assert event.file is None
        assert event.ip is not None
        assert event.ip.function == "look_up"
