# SPDX-License-Identifier: GPL-2.0-or-later
"""The line that says who ran under which kernel."""

from __future__ import annotations

import pytest

from keepsane.kernel.log.scan import Scanner
from keepsane.kernel.log.task import parse_release


@pytest.mark.parametrize(
    ("release", "unsigned"),
    [
        ("3.6.11", False),
        ("3.7.0", True),
        ("3.10.0-123.el7.x86_64", True),
        ("3.14.79", True),
        ("3.15.0", False),
        ("6.1.9", False),
    ],
)
def test_f_may_be_an_unsigned_module_until_e_was_made(release: str, unsigned: bool) -> None:
    found = parse_release(f"CPU: 0 PID: 77 Comm: insmod Tainted: GF          O {release} #1")

    assert found is not None
    (forced, _) = found.taint
    assert forced.letter == "F"
    assert ("unsigned" in forced.meaning) == unsigned


@pytest.mark.parametrize(
    ("line", "release", "version"),
    [
        ("CPU: 0    Not tainted  (2.6.29 #21)", "2.6.29", "#21"),
        (
            "Pid: 77, comm: widgetd Not tainted (2.6.32-21-generic #32-Ubuntu) W1",
            "2.6.32-21-generic",
            "#32-Ubuntu",
        ),
        ("EFLAGS: 00210286   (2.6.9-11.EL)", "2.6.9-11.EL", None),
        ("REGS: c0c01e28 TRAP: 0300   Tainted: G        W   (5.10.82)", "5.10.82", None),
        ("EFLAGS: 00210286 CPU: 1", None, None),
        ("FLAGS: 00210286 (none)", None, None),
    ],
)
def test_old_kernels_print_their_release_in_brackets(
    line: str, release: str | None, version: str | None
) -> None:
    found = parse_release(line)

    assert (found and found.release, found and found.version) == (release, version)


def test_flags_of_red_hat() -> None:
    line = "CPU: 2 PID: 9 Comm: potd Tainted: G           OE  ------------ T 3.10.0-1160.el7.x86_64 #1"
    found = parse_release(line)
    assert found is not None
    assert [(flag.letter, flag.meaning) for flag in found.taint] == [
        ("O", "an out-of-tree module was loaded"),
        ("E", "an unsigned module was loaded"),
        ("T", "a technology preview of the distribution is in use"),
    ]


def test_a_line_break_is_part_of_the_name_and_no_name_is_longer_than_the_kernel_allows() -> None:
    line = "CPU: 0 PID: 912 Comm: widget"
    names = {"_a": "widget\n_a", "_a_12345": "widget\n_a_12345", "_a_123456": "widget", "": "widget"}

    for rest, name in names.items():
        head = f"WARNING: CPU: 0 PID: 912 at drivers/widget/core.c:364\n{line}\n"
        (event,) = Scanner().events(
            f"{head}{rest} Not tainted 5.4.71 #1\nCall Trace:\n f+0x1/0x9\n".splitlines()
        )
        assert event.task is not None
        assert event.task.comm == name
        assert ("name of the task is cut" in event.damage) == (name == "widget")
