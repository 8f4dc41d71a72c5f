# SPDX-License-Identifier: GPL-2.0-or-later
"""BUG() and the checks of others that end in the same way."""

from __future__ import annotations

import pytest

from keepsane.kernel.events.bug import Bug
from tests.golden import first_of


@pytest.mark.parametrize(
    ("slug", "message", "place"),
    [
        (
            "condition-of-a-page",
            "VM_BUG_ON_FOLIO(((unsigned int) folio_ref_count(folio) + 127u <= 127u))",
            ("include/linux/mm.h", 1070),
        ),
        ("zfs-verify", "VERIFY3(0 == remove_reference(hdr, NULL, tag)) failed (0 == 1)", ("arc.c", 3844)),
        (
            "zfs-said",
            "zfs: adding existent segment to range tree (offset=22a1b000 size=2000)",
            (None, None),
        ),
    ],
)
def test_what_failed_and_where(slug: str, message: str, place: tuple[str | None, int | None]) -> None:
    event = first_of(f"bug/{slug}")

    assert isinstance(event, Bug)
    assert event.message == message
    assert (event.file, event.source_line) == place
