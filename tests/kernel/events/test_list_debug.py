# SPDX-License-Identifier: GPL-2.0-or-later
"""Lists whose neighbours disagree."""

from __future__ import annotations

from keepsane.kernel.events.list_debug import ListCorruption
from tests.golden import first_of


def test_the_message_before_or_after_the_warning() -> None:
    for name in ("list-corruption/warning-first-4.4", "list-corruption/lab-list-6.12"):
        event = first_of(name)

        assert isinstance(event, ListCorruption)
        assert event.message is not None
        assert event.operation is not None
        assert event.message.startswith(event.operation)
