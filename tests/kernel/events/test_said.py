# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel says of a report is in the report, word for word."""

from __future__ import annotations

import pytest

from keepsane.kernel.events.other import Noticed
from keepsane.kernel.events.warning.warning import Warning
from tests.golden import first_of


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (
            "other/usercopy-without-its-trace",
            "Kernel memory exposure attempt detected from SLUB object 'widget_cache' "
            "(offset 177, size 29007)!",
        ),
        ("other/page-dumped-because", "nonzero _count"),
        (
            "warning/field-spanning-without-cut-here",
            'memcpy: detected field-spanning write (size 20) of single field "&pot->lid" at '
            "fs/widget/log.c:515 (size 0)",
        ),
    ],
)
def test_what_the_kernel_says_is_the_message(case: str, message: str) -> None:
    event = first_of(case)
    assert isinstance(event, Noticed | Warning)
    assert event.message == message
