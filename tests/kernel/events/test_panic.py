# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel gave up."""

from __future__ import annotations

import pytest

from keepsane.kernel.events.panic.panic import Panic
from tests.golden import first_of


@pytest.mark.parametrize(
    ("slug", "reason"),
    [
        ("lab-6.12-sysrq", "sysrq triggered crash"),
        ("no-killable-processes", "Out of memory and no killable processes..."),
        ("corrupted-stack-end-arm64", "corrupted stack end detected inside scheduler"),
    ],
)
def test_the_kernels_own_sentence(slug: str, reason: str) -> None:
    event = first_of(f"panic/{slug}")

    assert isinstance(event, Panic)
    assert event.reason == reason
