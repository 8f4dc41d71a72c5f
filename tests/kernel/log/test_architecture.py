# SPDX-License-Identifier: GPL-2.0-or-later
"""Which machine wrote a report."""

from __future__ import annotations

import pytest

from keepsane.kernel.log.architecture import architecture
from keepsane.model import LogRecord


@pytest.mark.parametrize(
    ("head", "arch"),
    [
        ("Internal error: Oops: 817 [#1] PREEMPT SMP ARM   ", "arm"),
        ("Internal error: Oops: 5 [#1] PREEMPT", "arm"),
        ("Internal error: Oops: 96000045 [#1] SMP", "arm64"),
        ("Internal error: Oops: 0000000096000005 [#1] SMP", "arm64"),
        (
            "Internal error: Accessing user space memory outside uaccess.h routines: 9600004f [#1] SMP",
            "arm64",
        ),
        ("Internal error: Oops - bad mode: 0 [#1] SMP", "arm"),
        ("Oops - store (or AMO) access fault [#1]", "riscv"),
        ("R10: 0000e0cd R9 : c0a3a000 R8 : 00000001", "arm"),
        ("R10: 0000e0cd  R09: c0a3a000  R08: 00000001", "arm"),
        ("R10: 000000000000e0cd R11: ffff888012345000 R12: 0000000000000001", "x86_64"),
        ("PC: [<c01f3218>] LR: [<c01f4a20>] CPSR: 20000013", "arm"),
    ],
)
def test_the_line_of_die_tells_the_machine(head: str, arch: str) -> None:
    lines = (head, "PC is at widget_poll+0x10/0x20")

    assert (
        architecture(LogRecord(number, None, None, None, line) for number, line in enumerate(lines)) == arch
    )
