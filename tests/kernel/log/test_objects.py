# SPDX-License-Identifier: GPL-2.0-or-later
"""Which object a register points into."""

from __future__ import annotations

import pytest

from tests.golden import first_of


@pytest.mark.parametrize(
    ("case", "register"),
    [("warning/register-in-an-object", "RDI"), ("null-deref/register-in-an-object", "r0")],
)
def test_the_register_that_holds_the_pointer_is_named(case: str, register: str) -> None:
    said = {name: meaning for name, _, meaning in first_of(case).registers if meaning and "slab" in meaning}

    assert said == {
        register: "in an object of the slab cache kernfs_node_cache, 120 bytes into it, which has 136"
    }
