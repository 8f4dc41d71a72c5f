# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults the processor reported."""

from __future__ import annotations

import pytest

from keepsane.kernel.events.oops import Oops
from tests.golden import CASES, events_of, first_of, read_case


def test_arm64_says_where_and_how() -> None:
    event = first_of("null-deref/arm64-6.1")

    assert isinstance(event, Oops)
    assert (event.address, event.access, event.count) == (0x80, "write", 1)
    assert event.address_means == "NULL + 0x80: in the first page, where no object lies"
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


def test_an_address_in_capitals_is_read() -> None:
    event = oops_of(read_case(CASES / "page-fault/capitals.case").log)

    assert (event.address, event.access, event.arch) == (0xC0000010, "write", "i386")
    assert ("EAX", 0xC0000000) in {(register.name, register.value) for register in event.registers}


def test_dropped_messages_and_prompts_change_nothing() -> None:
    whole = first_of("null-deref/arm64-6.1")
    for slug in ("messages-dropped", "behind-a-prompt"):
        event = first_of(f"null-deref/{slug}")
        assert (event.kind, event.title, event.stacks) == (whole.kind, whole.title, whole.stacks)


def test_a_jump_to_null_has_an_address_and_no_function() -> None:
    event = first_of("null-deref/lab-6.12-jump")

    assert event.ip is not None
    assert (event.ip.function, event.ip.address) == (None, 0)


def oops_of(log: str) -> Oops:
    event = events_of(log)[0]
    assert isinstance(event, Oops)
    return event


CR4 = "CS:  0010 DS: 0000 ES: 0000 CR0: 0000000080050033\nCR2: 00007f00 CR3: 00000001 CR4: {cr4}\n"


@pytest.mark.parametrize(
    ("fault", "address", "cr4", "said"),
    [
        ("general protection fault, probably for non-canonical address", "0xff11000012345678", None, True),
        ("general protection fault, probably for non-canonical address", "0xfff78881045a1c40", None, True),
        ("general protection fault, probably for non-canonical address", "0x00ff123456789abc", None, True),
        (
            "general protection fault, probably for non-canonical address",
            "0x00ff123456789abc",
            "0000000000350ef0",
            True,
        ),
        (
            "general protection fault, maybe for address",
            "0x00ff123456789abc",
            "0000000000351ef0",
            False,
        ),
        ("general protection fault, probably for non-canonical address", "0x0112345678901234", None, True),
        ("Unable to handle kernel paging request at virtual address", "ffff0000c0a1e1c0", None, False),
        ("Unable to handle kernel paging request at virtual address", "f5ff0000c0a1e1c0", None, False),
        ("BUG: unable to handle page fault for address:", "ff11000012345678", None, False),
    ],
)
def test_only_a_protection_fault_calls_an_address_non_canonical(
    fault: str, address: str, cr4: str | None, said: bool
) -> None:
    event = oops_of(f"{fault} {address}: 0000 [#1] SMP\n" + (CR4.format(cr4=cr4) if cr4 else ""))

    assert event.address == int(address, 16)
    assert ("non-canonical" in (event.address_means or "")) is said


@pytest.mark.parametrize(
    ("head", "address"),
    [
        ("BUG: kernel NULL pointer dereference, addr", None),
        ("BUG: kernel NULL pointer dereference, address:", None),
        ("BUG: kernel NULL pointer dereference, address: 00000000", None),
        ("BUG: kernel NULL pointer dereference, address: 00000000000", None),
        ("BUG: unable to handle page fault for address: ffffc900", None),
        ("BUG: kernel NULL pointer dereference, address: 0000000000000080", 0x80),
        ("BUG: unable to handle kernel NULL pointer dereference at           (null)", 0),
        (
            "Unable to handle kernel NULL pointer dereference at virtual address 00000010\npgd = 4f1b0a20",
            0x10,
        ),
    ],
)
def test_a_cut_first_line_has_no_address(head: str, address: int | None) -> None:
    assert oops_of(head).address == address


@pytest.mark.parametrize(
    ("log", "address"),
    [
        ("BUG: stack guard page was hit at 00000000e2b1c4d5 (stack is 000000003f0a7716..0)\n", None),
        (
            "BUG: stack guard page was hit at 00000000e2b1c4d5 (stack is 000000003f0a7716..0)\n"
            "CR2: ffffc9000012bff8 CR3: 0000000002a0c000 CR4: 00000000000006f0\n",
            0xFFFFC9000012BFF8,
        ),
        ("BUG: stack guard page was hit at ffffc9000012bff8 (stack is 1..2)\n", 0xFFFFC9000012BFF8),
    ],
)
def test_a_hashed_pointer_is_no_address(log: str, address: int | None) -> None:
    assert oops_of(log).address == address
