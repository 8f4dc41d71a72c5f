# SPDX-License-Identifier: GPL-2.0-or-later
"""What a KFENCE report says, read as fields."""

from __future__ import annotations

from keepsane.kernel.events.kfence import Kfence
from tests.golden import first_of


def test_the_object_and_the_stacks() -> None:
    event = first_of("kfence/use-after-free")

    assert isinstance(event, Kfence)
    assert (event.bug, event.access, event.address) == ("use-after-free", "read", 0xA1B2C3D4)
    assert (event.object_address, event.object_bytes, event.cache) == (0xA1B2C3D0, 64, "kmalloc-64")
    assert [(stack.frames[0].function, stack.frames[0].role) for stack in event.stacks] == [
        ("poke_freed", "return"),
        ("make_widget", "return"),
        ("drop_widget", "return"),
        ("poke_freed", "ip"),
    ]


def test_the_form_before_5_13() -> None:
    event = first_of("kfence/out-of-bounds-before-5.13")

    assert isinstance(event, Kfence)
    assert (event.object_address, event.object_bytes) == (0xFFFF8C2AAE23C000, 32)
    assert event.address == 0xFFFF8C2AAE23BFFF
