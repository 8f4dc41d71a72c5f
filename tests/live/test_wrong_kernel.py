# SPDX-License-Identifier: GPL-2.0-or-later
"""Every log held against the other kernel's files: the mismatch is said, nothing is decoded from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.crashme import KINDS
from tests.live.guests import Guest, Json, frames

pytestmark = pytest.mark.live


@pytest.mark.parametrize("scenario", KINDS)
def test_other_kernels_files_decode_nothing(
    scenario: str, guest: Guest, other_guest: Guest, explained: Callable[[Path, Path, Path], Json]
) -> None:
    report = explained(guest.log(scenario), other_guest.vmlinux, other_guest.modules)
    assert "mismatch" in {check["outcome"] for check in report["checks"]}
    decoded = [frame for event in report["events"] for frame in frames(event) if frame["locations"]]
    assert decoded == []


@pytest.mark.parametrize("scenario", KINDS)
def test_facts_are_the_same_without_symbols(
    scenario: str, guest: Guest, other_guest: Guest, explained: Callable[[Path, Path, Path], Json]
) -> None:
    right = explained(guest.log(scenario), guest.vmlinux, guest.modules)
    wrong = explained(guest.log(scenario), other_guest.vmlinux, other_guest.modules)
    facts = ("kind", "title", "line", "task", "damage")
    assert [[event[fact] for fact in facts] for event in wrong["events"]] == [
        [event[fact] for fact in facts] for event in right["events"]
    ]
