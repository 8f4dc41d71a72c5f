# SPDX-License-Identifier: GPL-2.0-or-later
"""Reference counts that went wrong."""

from __future__ import annotations

from keepsane.kernel.events.refcount import Refcount
from tests.golden import first_of


def test_the_kernels_own_word() -> None:
    event = first_of("refcount/panic-on-warn-4.14")

    assert isinstance(event, Refcount)
    assert event.what == "increment on 0"


def test_a_kref_warning_has_no_words() -> None:
    event = first_of("refcount/kref-3.16")

    assert isinstance(event, Refcount)
    assert event.what is None
