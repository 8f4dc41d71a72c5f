# SPDX-License-Identifier: GPL-2.0-or-later
"""The line that says who ran under which kernel."""

from __future__ import annotations

import pytest

from keepsane.kernel.log.task import parse_release


@pytest.mark.parametrize(
    ("release", "unsigned"),
    [
        ("3.6.11", False),
        ("3.7.0", True),
        ("3.10.0-123.el7.x86_64", True),
        ("3.14.79", True),
        ("3.15.0", False),
        ("6.1.9", False),
    ],
)
def test_f_may_be_an_unsigned_module_until_e_was_made(release: str, unsigned: bool) -> None:
    found = parse_release(f"CPU: 0 PID: 77 Comm: insmod Tainted: GF          O {release} #1")

    assert found is not None
    (forced, _) = found.taint
    assert forced.letter == "F"
    assert ("unsigned" in forced.meaning) == unsigned
