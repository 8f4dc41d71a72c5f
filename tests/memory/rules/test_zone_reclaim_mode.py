# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of vm.zone_reclaim_mode, against the documentation and the two commits that moved its bits."""

from __future__ import annotations

import pytest

from keepsane.judge import CannotTell, load, run
from keepsane.memory.rules.zone_reclaim_mode import mode_words, why_not_armed
from keepsane.memory.snapshot import Missing, Snapshot
from keepsane.memory.state import MemoryState, state_of
from keepsane.report import Failure, RuledOut

load()
FILE = "proc/sys/vm/zone_reclaim_mode"


def zone_reclaim(files: dict[str, str], missing: tuple[Missing, ...] = ()) -> list[str]:
    state = state_of((Snapshot(files=files, missing=missing),))
    assert isinstance(state, MemoryState)
    answers = [answer for answer in run((state,)) if isinstance(answer, (RuledOut, Failure))]
    return [
        answer.why
        for answer in answers
        if "zone-reclaim" in (answer.rule if isinstance(answer, RuledOut) else answer.what)
    ]


# Documentation/admin-guide/sysctl/vm.rst: 1 zone reclaim on, 2 writes dirty pages out, 4 swaps pages.
@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (1, "drop page cache of its node"),
        (3, "drop page cache of its node and write dirty pages"),
        (5, "drop page cache of its node, and unmap and swap out pages in use"),
        (7, "drop page cache of its node, write dirty pages, and unmap and swap out pages in use"),
    ],
)
@pytest.mark.parametrize(
    "release", ["2.6.32-642.el6.x86_64", "5.7.19", "5.10.20", "5.11.3", "5.12.0", "6.12.9", None]
)
def test_the_bits_are_said_as_the_documentation_has_them(mode: int, said: str, release: str | None) -> None:
    assert mode_words(mode, release) == said


# mm/vmscan.c of v5.8: RECLAIM_WRITE (1<<0), RECLAIM_UNMAP (1<<1).
@pytest.mark.parametrize("release", ["5.8.0", "5.9.16", "5.10.19", "5.11.2", "5.10.0-8-amd64", "5.11-rc3"])
def test_kernels_between_the_two_commits_are_said_to_write_and_to_unmap(release: str) -> None:
    assert mode_words(1, release).startswith("drop page cache of its node and write dirty pages, since")
    assert mode_words(2, release).startswith(
        "drop page cache of its node, and unmap and swap out pages in use, since"
    )
    assert mode_words(1, release).endswith("it is: drop page cache of its node")


def test_it_is_said_not_to_set_what_is_off() -> None:
    said = zone_reclaim({FILE: "0\n"})
    assert (
        said == ["zone reclaim is not the cause: vm.zone_reclaim_mode is 0, which is off. Do not set it"] * 3
    )


def test_it_is_said_not_to_set_it_with_one_node() -> None:
    said = zone_reclaim(
        {
            FILE: "1\n",
            "sys/devices/system/node/has_memory": "0\n",
            "sys/devices/system/node/node0/distance": "10\n",
        }
    )
    assert all("one node with memory" in why and why.endswith("Do not set it") for why in said)
    assert len(said) == 3


def test_a_file_that_is_gone_is_told_from_one_that_was_not_read() -> None:
    absent = zone_reclaim({"proc/sys/vm/swappiness": "60\n"})
    assert absent == ["zone reclaim is not the cause: this kernel has no vm.zone_reclaim_mode"] * 3
    assert zone_reclaim({}, (Missing(path=FILE, reason="absent"),)) == absent
    unread = ["cannot tell: vm.zone_reclaim_mode was not read"] * 3
    assert zone_reclaim({"proc/uptime": "1.00 1.00\n"}) == unread
    assert (
        zone_reclaim({"proc/sys/vm/swappiness": "60\n"}, (Missing(path=FILE, reason="not permitted"),))
        == unread
    )


def test_a_damaged_capture_never_says_that_a_kernel_has_no_such_setting() -> None:
    snapshot = Snapshot(files={"proc/sys/vm/swappiness": "60\n"}, damage="its end is missing")
    made = state_of((snapshot,))
    assert made is not None
    with pytest.raises(CannotTell):
        why_not_armed(made)
