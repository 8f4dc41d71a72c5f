# SPDX-License-Identifier: GPL-2.0-or-later
"""Lists whose neighbours disagree."""

from __future__ import annotations

import pytest

from keepsane.api import explain
from keepsane.kernel.events.list_debug import ListCorruption
from tests.golden import first_of


def test_the_message_before_or_after_the_warning() -> None:
    for name in ("list-corruption/warning-first-4.4", "list-corruption/lab-list-6.12"):
        event = first_of(name)

        assert isinstance(event, ListCorruption)
        assert event.message is not None
        assert event.operation is not None
        assert event.message.startswith(event.operation)


@pytest.mark.parametrize(
    ("value", "neighbour", "title"),
    [
        ("ffff888012345f80", "ffff888012345a00", "the neighbour points to another entry"),
        ("ffff888012345a00", "ffff888012345a00", "the neighbour points to itself"),
        ("00417766655a4433", "ffff888012345a00", "where no entry can lie"),
        ("ca53e83f5e8cf5a8", "ffff888012345a00", "no address looks like that: it was overwritten or freed"),
    ],
)
def test_what_the_neighbour_holds(value: str, neighbour: str, title: str) -> None:
    log = (
        "[    1.000000] list_del corruption. prev->next should be ffff888012345000, "
        f"but was {value}. (prev={neighbour})\n"
    )

    (finding,) = (one for one in explain(log, cache=False).findings if one.rule == "list-neighbours-disagree")

    assert title in finding.title
