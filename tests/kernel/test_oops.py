# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults the processor reported."""

from __future__ import annotations

from keepsane.kernel.oops import Oops
from tests.golden import CASES, events_of, first_of, read_case


def test_arm64_says_where_and_how() -> None:
    event = first_of("null-deref/arm64-6.1")

    assert isinstance(event, Oops)
    assert (event.address, event.access, event.count) == (0x80, "write", 1)
    assert event.address_means == "NULL + 0x80: a member at offset 0x80 of a NULL structure"
    assert event.ip is not None
    assert (event.ip.function, event.ip.offset_bytes, event.ip.module) == ("poke_widget", 0x14, "crashme")
    assert {"x29", "x0"} <= {register.name for register in event.registers}


def test_x86_registers_of_user_space_are_not_taken() -> None:
    event = first_of("null-deref/lab-6.1")

    assert [register.value for register in event.registers if register.name == "RAX"] == [0]
    assert sum(register.name == "RIP" for register in event.registers) == 0


def test_two_callers_at_once_keep_their_own_lines() -> None:
    first, second = events_of(read_case(CASES / "null-deref/two-callers.case").log)

    assert [frame.function for frame in first.stacks[0].frames] == ["crash_write", "vfs_write"]
    assert [frame.function for frame in second.stacks[0].frames] == ["widget_thread", "kthread"]
    assert all(record.caller == "T101" for record in first.records)


def test_dropped_messages_and_prompts_change_nothing() -> None:
    whole = first_of("null-deref/arm64-6.1")
    for slug in ("messages-dropped", "behind-a-prompt"):
        event = first_of(f"null-deref/{slug}")
        assert (event.kind, event.title, event.stacks) == (whole.kind, whole.title, whole.stacks)


def test_a_jump_to_null_has_an_address_and_no_function() -> None:
    event = first_of("null-deref/lab-6.12-jump")

    assert event.ip is not None
    assert (event.ip.function, event.ip.address) == (None, 0)
